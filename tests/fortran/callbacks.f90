!> Residuals for the Fortran-level tests, in the three forms that the drivers call.
module callbacks
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: decay, line, log_model, rosenbrock, rosenbrock_jacobian, rosenbrock_row, stopper, watched

    integer, public :: calls = 0 !! of the residuals
    integer, public :: looks = 0 !! calls with iflag = 0
    integer, public :: stop_at = 0 !! stopper asks to stop at this call
    real(wp), public :: highest(2) !! the largest parameters that watched was called with

contains

    pure function residuals(x) result(f)
        real(wp), intent(in) :: x(:)
        real(wp) :: f(2)

        f = [10*(x(2) - x(1)**2), 1 - x(1)]
    end function residuals

    recursive subroutine rosenbrock(m, n, x, fvec, iflag) bind(c)
        integer(ip), intent(in) :: m, n
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m)
        integer(ip), intent(inout) :: iflag

        if (iflag == 0) then
            looks = looks + 1
        else
            calls = calls + 1
            fvec = residuals(x)
        end if
    end subroutine rosenbrock

    recursive subroutine rosenbrock_jacobian(m, n, x, fvec, fjac, ldfjac, iflag) bind(c)
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m), fjac(ldfjac, n)
        integer(ip), intent(inout) :: iflag

        if (iflag == 1) fvec = residuals(x)
        if (iflag == 2) fjac(1:2, :) = reshape([-20*x(1), -1.0_wp, 10.0_wp, 0.0_wp], [2, 2])
    end subroutine rosenbrock_jacobian

    recursive subroutine rosenbrock_row(m, n, x, fvec, fjrow, iflag) bind(c)
        integer(ip), intent(in) :: m, n
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m), fjrow(n)
        integer(ip), intent(inout) :: iflag

        if (iflag == 1) fvec = residuals(x)
        if (iflag == 2) fjrow = [-20*x(1), 10.0_wp]
        if (iflag == 3) fjrow = [-1.0_wp, 0.0_wp]
    end subroutine rosenbrock_row

    !> A straight line through (i, 3 + 2 i), i = 1, ..., m.
    recursive subroutine line(m, n, x, fvec, iflag) bind(c)
        integer(ip), intent(in) :: m, n
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m)
        integer(ip), intent(inout) :: iflag

        integer(ip) :: i

        if (iflag > 0) fvec = [(x(1) + x(2)*i - (3 + 2*i), i=1, m)]
    end subroutine line

    !> Rosenbrock's residuals until it asks to stop.
    recursive subroutine stopper(m, n, x, fvec, iflag) bind(c)
        integer(ip), intent(in) :: m, n
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m)
        integer(ip), intent(inout) :: iflag

        call rosenbrock(m, n, x, fvec, iflag)
        if (calls == stop_at) iflag = -7
    end subroutine stopper

    !> Rosenbrock's residuals and Jacobian, where calls are noted.
    recursive subroutine watched(m, n, x, fvec, fjac, ldfjac, iflag) bind(c)
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m), fjac(ldfjac, n)
        integer(ip), intent(inout) :: iflag

        highest = max(highest, x)
        call rosenbrock_jacobian(m, n, x, fvec, fjac, ldfjac, iflag)
    end subroutine watched

    !> A decay a exp(-b t) at t = 0.25, 0.5, ..., against the one with a = 2, b = 0.5.
    recursive subroutine decay(m, n, x, fvec, fjac, ldfjac, iflag) bind(c)
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m), fjac(ldfjac, n)
        integer(ip), intent(inout) :: iflag

        real(wp) :: damping, t
        integer(ip) :: i

        do i = 1, m
            t = i/4.0_wp
            damping = exp(-x(2)*t)
            if (iflag == 1) fvec(i) = x(1)*damping - 2*exp(-t/2)
            if (iflag == 2) fjac(i, :) = [damping, -x(1)*t*damping]
        end do
    end subroutine decay

    !> log(x) - log(3), which a first step from x = 10 leaves the domain of: Inf there, as NaN
    !> would trap in a build that looks for invalid operations.
    recursive subroutine log_model(m, n, x, fvec, iflag) bind(c)
        use, intrinsic :: ieee_arithmetic, only: ieee_positive_inf, ieee_value
        integer(ip), intent(in) :: m, n
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: fvec(m)
        integer(ip), intent(inout) :: iflag

        if (iflag <= 0) return
        if (x(1) > 0) then
            fvec = log(x(1)) - log(3.0_wp)
        else
            fvec = ieee_value(1.0_wp, ieee_positive_inf)
        end if
    end subroutine log_model

end module callbacks
