!> Kinds of every real and integer in the core: C's double and int, so that each routine can be
!> called from Fortran 77, Fortran 2018, C and Python alike.
module minpack_kinds
    use, intrinsic :: iso_c_binding, only: c_double, c_int
    implicit none
    private

    integer, parameter, public :: wp = c_double !! working precision
    integer, parameter, public :: ip = c_int !! integers of every calling sequence

end module minpack_kinds
