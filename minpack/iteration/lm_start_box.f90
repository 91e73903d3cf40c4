!> First of the three decisions of an iteration within bounds.
module minpack_lm_start_box
    use minpack_constants, only: largest
    use minpack_info, only: info_jacobian_not_finite
    use minpack_kinds, only: ip, wp
    use minpack_lm_start, only: set_first_bound, test_gradient
    use minpack_lm_types, only: lm_control, lm_state
    implicit none
    private
    public :: lm_start_box

contains

    !> lm_start, but for the gradient test: variables that their bounds hold don't count, and where the cosines of
    !> the others are 0 the first-order conditions of the bounded problem hold.
    pure subroutine lm_start_box(control, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, diag, state, held, wa) &
            bind(c, name="lm_start_box_")
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: x(n) !! the iterate, within the bounds
        real(wp), intent(in) :: lower(n), upper(n) !! the bounds, infinite where there are none
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        type(lm_state), intent(inout) :: state
        integer(ip), intent(out) :: held(n) !! 1 for variables at a bound with the gradient pointing outwards, or 0
        real(wp), intent(out) :: wa(n) !! scratch

        held = 0
        if (.not. all(acnorm <= largest)) then
            state%info = info_jacobian_not_finite
            return
        end if
        if (state%iteration == 1) call set_first_bound(control, n, acnorm, x, diag, state, wa)
        call cosines(n, r, ldr, ipvt, qtf, acnorm, state%fnorm, wa)
        call find_held(n, x, lower, upper, wa, held, state%gnorm)
        call test_gradient(control, n, acnorm, diag, state)
    end subroutine lm_start_box

    !> The cosines of the angles between f and the columns of J; 0 for a column of zeros.
    pure subroutine cosines(n, r, ldr, ipvt, qtf, acnorm, fnorm, cosine)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: fnorm !! ‖f‖
        real(wp), intent(out) :: cosine(n)

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
            cosine(ipvt(j)) = dot/acnorm(ipvt(j))
        end do
    end subroutine cosines

    !> Which variables their bounds hold, and the largest cosine of the others.
    pure subroutine find_held(n, x, lower, upper, cosine, held, largest_cosine)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), lower(n), upper(n) !! the iterate and its bounds
        real(wp), intent(in) :: cosine(n) !! the gradient, relative to f and the columns of J
        integer(ip), intent(out) :: held(n) !! 1 or 0
        real(wp), intent(out) :: largest_cosine

        integer(ip) :: i

        largest_cosine = 0
        do i = 1, n
            held(i) = 0
            if (x(i) <= lower(i) .and. cosine(i) > 0 .or. x(i) >= upper(i) .and. cosine(i) < 0 &
                .or. lower(i) >= upper(i)) held(i) = 1
            if (held(i) == 0) largest_cosine = max(largest_cosine, abs(cosine(i)))
        end do
    end subroutine find_held

end module minpack_lm_start_box
