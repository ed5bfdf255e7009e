{ hxzlib: named in the uses clauses of the original's sources, which need nothing of it. }
unit hxzlib;

interface

implementation

end.
