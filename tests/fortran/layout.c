/* The record of a fit and its codes as C has them, for the test that Fortran has the same. */
#include "fit.h"

#include <stddef.h>

size_t size_in_c(void)
{
    return sizeof(lm_fit);
}

/* Where component number i begins. */
size_t offset_in_c(int i)
{
#define FIT_REAL(name, meaning) offsetof(lm_fit, name),
#define FIT_INT(name, meaning) offsetof(lm_fit, name),
    static const size_t offsets[] = {
#include "fit.def"
    };
#undef FIT_REAL
#undef FIT_INT
    return i < (int)(sizeof offsets / sizeof *offsets) ? offsets[i] : 0;
}

/* Code number i. */
int code_in_c(int i)
{
#define CODE(name, number, meaning) LM_##name,
    static const int codes[] = {
#include "codes.def"
    };
#undef CODE
    return i < (int)(sizeof codes / sizeof *codes) ? codes[i] : -1;
}
