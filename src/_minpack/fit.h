/* The record of a fit, and the numbers by which the core says how it stands. */
#ifndef PYMINPACK_FIT_H
#define PYMINPACK_FIT_H

#define FIT_REAL(name, meaning) double name;
#define FIT_INT(name, meaning) int name;
typedef struct {
#include "fit.def"
} lm_fit;
#undef FIT_REAL
#undef FIT_INT

#define CODE(name, number, meaning) LM_##name = number,
enum {
#include "codes.def"
};
#undef CODE

#endif
