!> Whether a point is as good as the minimum: whether the next step would change any parameter.
module minpack_arrived
    use minpack_fit_types, only: careful, lm_fit
    use minpack_kinds, only: ip, wp
    use minpack_triangle, only: solve
    implicit none
    private
    public :: has_arrived

contains

    !> Whether the step of Gauss and Newton, by careful differences, is within xtol of each parameter. It is MINPACK's test of
    !> steps, but for each parameter by itself: a large one hides none that is small. And J is that at x, not one that may be wrong.
    pure logical function has_arrived(fit, n, r, ldr, ipvt, qtf, x)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like the next
        real(wp), intent(in) :: r(ldr, n), qtf(n), x(n)

        real(wp) :: step(n)
        integer(ip) :: k

        has_arrived = .false.
        if (fit%differences /= careful) return
        do k = 1, n
            if (r(k, k) == 0) return
        end do
        step = qtf
        call solve(n, r, ldr, step)
        has_arrived = all(abs(step) <= fit%xtol*abs(x(ipvt)))
    end function has_arrived

end module minpack_arrived
