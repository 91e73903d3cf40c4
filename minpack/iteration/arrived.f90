!> Whether a point is as good as the minimum: whether the next step would change any parameter.
module minpack_arrived
    use minpack_fit_types, only: careful, lm_fit
    use minpack_kinds, only: ip, wp
    use minpack_triangle, only: solve
    implicit none
    private
    public :: look_for_arrival

contains

    !> Whether the step of Gauss and Newton, by careful differences, is within xtol of each parameter. It is MINPACK's test of
    !> steps, but for each parameter by itself: a large one hides none that is small. And J is that at x, not one that may be wrong.
    pure subroutine look_for_arrival(fit, n, r, ldr, ipvt, qtf, x, step, has_arrived)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like the next
        real(wp), intent(in) :: r(ldr, n), qtf(n), x(n)
        real(wp), intent(out) :: step(n) !! scratch
        logical, intent(out) :: has_arrived

        integer(ip) :: k

        has_arrived = .false.
        step = qtf
        if (fit%differences /= careful) return
        do k = 1, n
            if (r(k, k) == 0) return
        end do
        call solve(n, r, ldr, step)
        has_arrived = all(abs(step) <= fit%xtol*abs(x(ipvt)))
    end subroutine look_for_arrival

end module minpack_arrived
