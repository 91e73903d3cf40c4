!> What the drivers say in `info`, what lm_next wants, and the stages of a fit; codes.def has the numbers and their meanings.
module minpack_info
    use minpack_kinds, only: ip
    implicit none
    private

#define CODE(name, number, meaning) integer(ip), parameter, public :: name = number
#include "codes.def"

end module minpack_info
