/* For sources written for the original; see hxgrid-compat/README.md. There are two spellings of this
   file, which are the same to Windows: keep them equal. No guard: who has undefined them gets them
   back. */
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
