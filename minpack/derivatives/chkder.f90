!> Whether a user's Jacobian goes with the user's residuals.
module minpack_chkder
    use minpack_constants, only: machine_precision
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: chkder

    integer(ip), parameter :: mode_propose = 1_ip !! give the neighbour of x
    real(wp), parameter :: noise = 100*machine_precision !! relative changes below this tell nothing (MINPACK-1)

contains

    !> Two calls check a Jacobian: with `mode` 1 for a neighbour `xp` of `x`; then, `fvec` and `fjac` at x and
    !> `fvecp` at xp at hand, with `mode` 2 for a mark of each row, from 1 (correct) to 0 (wrong), 0.5 between.
    !>
    !> The mark is the logarithm of the relative error of the difference along xp - x, on the scale from
    !> sqrt(ε), which rounding explains, to 1. Rows whose change drowns in rounding count as correct.
    pure subroutine chkder(m, n, x, fvec, fjac, ldfjac, xp, fvecp, mode, err) bind(c, name="chkder_")
        integer(ip), intent(in) :: m !! residuals
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where
        real(wp), intent(in) :: fvec(m) !! mode 2: residuals at x
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(in) :: fjac(ldfjac, n) !! mode 2: the Jacobian at x
        real(wp), intent(inout) :: xp(n) !! mode 1: set to the neighbour of x
        real(wp), intent(in) :: fvecp(m) !! mode 2: residuals at xp
        integer(ip), intent(in) :: mode !! 1 or 2
        real(wp), intent(inout) :: err(m) !! mode 2: the marks

        real(wp) :: eta
        integer(ip) :: i, j

        eta = sqrt(machine_precision)
        if (mode == mode_propose) then
            do j = 1, n
                xp(j) = x(j) + eta*step_scale(x(j))
            end do
            return
        end if

        err = 0
        do j = 1, n
            do i = 1, m
                err(i) = err(i) + step_scale(x(j))*fjac(i, j)
            end do
        end do
        do i = 1, m
            err(i) = mark(fvec(i), fvecp(i), err(i), eta)
        end do
    end subroutine chkder

    !> What the step in a parameter is relative to.
    pure function step_scale(x) result(scale)
        real(wp), intent(in) :: x
        real(wp) :: scale

        scale = merge(abs(x), 1.0_wp, abs(x) > 0)
    end function step_scale

    !> The mark of one row, from its residual at x and xp and the derivative that the Jacobian claims.
    pure function mark(f, fp, claimed, eta)
        real(wp), intent(in) :: f, fp, claimed
        real(wp), intent(in) :: eta !! the step that `claimed` is per unit of
        real(wp) :: mark

        real(wp) :: error

        mark = 1
        if (.not. (abs(f) > 0 .and. abs(fp) > 0 .and. abs(fp - f) >= noise*abs(f))) return
        error = eta*abs((fp - f)/eta - claimed)/(abs(f) + abs(fp))
        if (error <= machine_precision) return
        if (error >= eta) then
            mark = 0
        else
            mark = (log10(error) - log10(eta))/log10(eta)
        end if
    end function mark

end module minpack_chkder
