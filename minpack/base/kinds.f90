!> Kinds of every real and integer in the core: C's double and int, so that each routine can be
!> called from Fortran 77, Fortran 2018, C and Python alike.
module minpack_kinds
    use, intrinsic :: iso_c_binding, only: c_double, c_int, c_bool
    implicit none
    private

    integer, parameter, public :: wp = c_double !! working precision
    integer, parameter, public :: ip = c_int !! integers of every calling sequence
    integer, parameter, public :: lp = c_bool !! logicals of every derived type

end module minpack_kinds
