!> Differences that are too short for the precision that residuals are really computed in.
module minpack_unfelt
    use minpack_callbacks, only: residual_function
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: find_unfelt, try_longer

    !> Relative spacing of single precision numbers: what a model computes in that is coarser than it seems.
    real(wp), parameter, public :: single_precision = real(epsilon(1.0), wp)

contains

    !> Which columns of a Jacobian are nothing but zeros.
    pure subroutine find_unfelt(m, n, fjac, ldfjac, unfelt)
        integer(ip), intent(in) :: m, n !! residuals and parameters
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(in) :: fjac(ldfjac, n) !! the Jacobian
        real(wp), intent(out) :: unfelt(n) !! 1 for such a column, 0 for any other

        integer(ip) :: i, j

        do j = 1, n
            unfelt(j) = 1
            do i = 1, m
                if (fjac(i, j) /= 0) then
                    unfelt(j) = 0
                    exit
                end if
            end do
        end do
    end subroutine find_unfelt

    !> Whether residuals that ignored short steps in some parameters respond to steps that single precision
    !> can feel, all of them taken at once.
    !>
    !> A parameter without any effect and one that enters a model in single precision look the same to a
    !> difference of 1e-8 x; this one evaluation tells them apart.
    recursive subroutine try_longer(fcn, m, n, x, fvec, unfelt, responds, iflag, beside, moved)
        procedure(residual_function) :: fcn !! the residuals
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        real(wp), intent(in) :: unfelt(n) !! 1 for the parameters to move, 0 for the others
        logical, intent(out) :: responds
        integer(ip), intent(inout) :: iflag !! passed to fcn; < 0 on return where fcn asked to stop
        real(wp), intent(out) :: beside(n), moved(m) !! scratch: the point to try, and the residuals there

        beside = x + unfelt*sqrt(single_precision)*merge(abs(x), 1.0_wp, abs(x) > 0)
        call fcn(m, n, beside, moved, iflag)
        responds = .false.
        if (iflag >= 0) responds = any(moved /= fvec)
    end subroutine try_longer

end module minpack_unfelt
