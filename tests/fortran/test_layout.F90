!> The record of a fit and the codes are the same in Fortran and in C, which makes Python's of them.
program test_layout
    use, intrinsic :: iso_c_binding, only: c_int, c_intptr_t, c_loc, c_ptr, c_size_t, c_sizeof
    use checks, only: check, conclude
    use minpack_fit_types, only: lm_fit
    use minpack_info
    use minpack_kinds, only: ip
    implicit none

    interface
        pure integer(c_size_t) function size_in_c() bind(c)
            import :: c_size_t
        end function size_in_c
        pure integer(c_size_t) function offset_in_c(i) bind(c)
            import :: c_int, c_size_t
            integer(c_int), value :: i !! which component, counted from 0
        end function offset_in_c
        pure integer(c_int) function code_in_c(i) bind(c)
            import :: c_int
            integer(c_int), value :: i !! which code, counted from 0
        end function code_in_c
    end interface

    type(lm_fit), target :: fit
    integer(c_int) :: components, codes

    call check(c_sizeof(fit) == size_in_c(), 'the size of the record')

    components = 0
#define FIT_REAL(name, meaning) call compare_place(c_loc(fit%name))
#define FIT_INT(name, meaning) call compare_place(c_loc(fit%name))
#include "fit.def"
    call check(components > 25, 'components were compared')

    codes = 0
#define CODE(name, number, meaning) call compare_code(name)
#include "codes.def"
    call check(codes > 20, 'codes were compared')
    call conclude()

contains

    subroutine compare_place(place)
        type(c_ptr), intent(in) :: place !! of the next component

        integer(c_intptr_t) :: offset

        offset = transfer(place, offset) - transfer(c_loc(fit), offset)
        call check(offset == offset_in_c(components), 'where a component lies')
        components = components + 1
    end subroutine compare_place

    subroutine compare_code(code)
        integer(ip), intent(in) :: code !! the next one

        call check(code == code_in_c(codes), 'a code')
        codes = codes + 1
    end subroutine compare_code

end program test_layout
