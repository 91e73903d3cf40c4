!> First of the three decisions of an iteration: what the new Jacobian says.
module minpack_lm_start
    use minpack_constants, only: largest, mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_info, only: info_gtol, info_jacobian_not_finite
    use minpack_kinds, only: ip, wp
    use minpack_lm_types, only: lm_control, lm_state
    implicit none
    private
    public :: lm_start, set_first_bound, test_gradient

contains

    !> Scaling, the first step bound, and the gradient test, from the triangle of a new Jacobian.
    !>
    !> The scaling only ever grows with the columns of the Jacobian; that makes the method invariant under a
    !> change of the parameters' units. A Jacobian of zeros passes the gradient test, as in MINPACK: it is for
    !> the caller to say what that means.
    pure subroutine lm_start(control, n, r, ldr, ipvt, qtf, acnorm, x, diag, state, wa) bind(c, name="lm_start_")
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: x(n) !! the iterate
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        type(lm_state), intent(inout) :: state
        real(wp), intent(out) :: wa(n) !! scratch

        if (.not. all(acnorm <= largest)) then
            state%info = info_jacobian_not_finite
            return
        end if

        if (state%iteration == 1) call set_first_bound(control, n, acnorm, x, diag, state, wa)
        state%gnorm = largest_cosine(n, r, ldr, ipvt, qtf, acnorm, state%fnorm)
        call test_gradient(control, n, acnorm, diag, state)
    end subroutine lm_start

    !> The scaling that the columns of the first Jacobian suggest, where it isn't the user's; and Δ.
    pure subroutine set_first_bound(control, n, acnorm, x, diag, state, wa)
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: acnorm(n), x(n) !! norms of the columns of J, and the start
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        type(lm_state), intent(inout) :: state
        real(wp), intent(out) :: wa(n) !! scratch

        if (control%mode == mode_internal_scaling) diag = merge(acnorm, 1.0_wp, acnorm > 0)
        wa = diag*x
        state%xnorm = enorm(n, wa)
        state%delta = control%factor*state%xnorm
        if (state%delta == 0) state%delta = control%factor
    end subroutine set_first_bound

    !> Whether the gradient ends the fit; if it doesn't, the scaling for the steps from here.
    pure subroutine test_gradient(control, n, acnorm, diag, state)
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        type(lm_state), intent(inout) :: state

        if (state%gnorm <= control%gtol) then
            state%info = info_gtol
        else if (control%mode == mode_internal_scaling) then
            diag = max(diag, acnorm)
        end if
    end subroutine test_gradient

    !> max over the columns of J, those of zeros apart, of |column · f|/(‖column‖ ‖f‖).
    pure function largest_cosine(n, r, ldr, ipvt, qtf, acnorm, fnorm) result(cosine)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: fnorm !! ‖f‖
        real(wp) :: cosine

        real(wp) :: dot
        integer(ip) :: i, j

        cosine = 0
        if (fnorm == 0) return
        do j = 1, n
            if (acnorm(ipvt(j)) == 0) cycle
            dot = 0
            do i = 1, j
                dot = dot + r(i, j)*(qtf(i)/fnorm)
            end do
            cosine = max(cosine, abs(dot/acnorm(ipvt(j))))
        end do
    end function largest_cosine

end module minpack_lm_start
