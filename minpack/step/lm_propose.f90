!> Second of the three decisions of an iteration: where to try next.
module minpack_lm_propose
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_lm_types, only: lm_state
    use minpack_lmpar, only: lmpar
    implicit none
    private
    public :: lm_propose

contains

    !> The trial point for the present step bound, and the reduction that the linear model predicts there.
    pure subroutine lm_propose(n, r, ldr, ipvt, qtf, diag, x, state, trial, step, wa1, wa2) &
            bind(c, name="lm_propose_")
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one is scratch
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: x(n) !! the iterate
        type(lm_state), intent(inout) :: state
        real(wp), intent(out) :: trial(n) !! x + p
        real(wp), intent(out) :: step(n) !! p
        real(wp), intent(out) :: wa1(n), wa2(n) !! scratch

        real(wp) :: damped, undamped

        call lmpar(n, r, ldr, ipvt, diag, qtf, state%delta, state%par, step, trial, wa1, wa2)
        step = -step
        trial = x + step
        wa1 = diag*step
        state%pnorm = enorm(n, wa1)
        if (state%iteration == 1) state%delta = min(state%delta, state%pnorm)

        call linear_change(n, r, ldr, ipvt, step, wa1)
        undamped = enorm(n, wa1)/state%fnorm
        damped = (sqrt(state%par)*state%pnorm)/state%fnorm
        state%prered = undamped**2 + 2*damped**2
        state%dirder = -(undamped**2 + damped**2)
    end subroutine lm_propose

    !> y = R Pᵀ p, as long as J p.
    pure subroutine linear_change(n, r, ldr, ipvt, step, y)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: step(n) !! p
        real(wp), intent(out) :: y(n) !! the result

        real(wp) :: component
        integer(ip) :: i, j

        y = 0
        do j = 1, n
            component = step(ipvt(j))
            do i = 1, j
                y(i) = y(i) + r(i, j)*component
            end do
        end do
    end subroutine linear_change

end module minpack_lm_propose
