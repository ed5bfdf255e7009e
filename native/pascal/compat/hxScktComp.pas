{ hxScktComp: named in the uses clauses of the original's sources, which need nothing of it. }
unit hxScktComp;

interface

implementation

end.
