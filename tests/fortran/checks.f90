!> What the Fortran-level tests are written with: a failed check is printed and counted, and the count is
!> the program's fate.
module checks
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: check, close_to, conclude

    integer :: failures = 0
    integer :: passes = 0

contains

    !> Counts one check.
    subroutine check(holds, what)
        logical, intent(in) :: holds
        character(len=*), intent(in) :: what !! printed where it doesn't hold

        if (holds) then
            passes = passes + 1
        else
            failures = failures + 1
            print '(2a)', 'FAILED: ', what
        end if
    end subroutine check

    !> Whether two vectors agree to a relative tolerance.
    pure logical function close_to(a, b, tolerance)
        real(wp), intent(in) :: a(:), b(:)
        real(wp), intent(in) :: tolerance !! relative to the larger norm

        close_to = norm2(a - b) <= tolerance*max(norm2(a), norm2(b))
    end function close_to

    !> Ends the program.
    subroutine conclude()
        print '(i0, a, i0, a)', passes, ' passed, ', failures, ' failed'
        if (failures > 0) error stop 1
        if (passes == 0) error stop 'no check ran'
    end subroutine conclude

end module checks
