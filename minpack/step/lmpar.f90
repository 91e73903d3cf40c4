!> The Levenberg-Marquardt parameter for a given step bound: section 5 of Moré (1978).
module minpack_lmpar
    use minpack_constants, only: bound_slack, least_fraction, max_trials, sharpest_cut, smallest_normal
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_qrsolv, only: qrsolv
    use minpack_triangle, only: solve_transposed, solve_transposed_damped, transposed_product
    implicit none
    private
    public :: correction, lmpar

contains

    !> λ >= 0 such that x(λ), which minimizes ‖[A; sqrt(λ) D] x - [b; 0]‖, has either λ = 0 and
    !> ‖D x‖ <= 1.1 Δ, or | ‖D x‖ - Δ | <= 0.1 Δ.
    !>
    !> With φ(λ) = ‖D x(λ)‖ - Δ, convex and decreasing, the root is found by Newton's iteration on
    !> 1/‖D x(λ)‖, kept between bounds that close in from both sides.
    !>
    !> Moré's notation. His J is A here and his f is b; his step p is -x, because he solves for -f.
    !>
    !> | here | in the paper |
    !> | --- | --- |
    !> | `r`, `ipvt`, `qtb` | R, π of J π = Q R, and Qᵀf |
    !> | `diag`, `delta` | D, Δ |
    !> | `par` | α, on whose values α_k this iterates; λ in this code and in MINPACK's documents |
    !> | `x`, `dxnorm`, `phi` | -p_α; ‖D p_α‖; φ(α) |
    !> | `lower`, `upper` | l_k, u_k: α lies between them |
    !> | `gradient_norm` | ‖(J D⁻¹)ᵀ f‖, which over Δ is u_0 |
    !> | `sdiag`, and r below its diagonal | R_α, in `qrsolv` S |
    !> | `bound_slack` | σ |
    pure subroutine lmpar(n, r, ldr, ipvt, diag, qtb, delta, par, x, sdiag, wa1, wa2) bind(c, name="lmpar_")
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one gets Sᵀ
        integer(ip), intent(in) :: ipvt(n) !! P: column j of A P is column ipvt(j) of A
        real(wp), intent(in) :: diag(n) !! diagonal of D, > 0
        real(wp), intent(in) :: qtb(n) !! first n entries of Qᵀb
        real(wp), intent(in) :: delta !! Δ > 0, in the units of D x
        real(wp), intent(inout) :: par !! estimate of λ, >= 0; on return λ
        real(wp), intent(out) :: x(n) !! x(λ)
        real(wp), intent(out) :: sdiag(n) !! diagonal of S; of no use where λ = 0
        real(wp), intent(out) :: wa1(n), wa2(n) !! scratch

        real(wp) :: dxnorm, gradient_norm, lower, phi, previous, upper
        integer(ip) :: rank, trial

        call gauss_newton(n, r, ldr, ipvt, qtb, rank, x, wa1)
        wa2 = diag*x
        dxnorm = enorm(n, wa2)
        phi = dxnorm - delta
        if (phi <= bound_slack*delta) then
            par = 0
            return
        end if

        lower = 0
        if (rank == n) then
            call length_gradient(n, ipvt, diag, wa2, dxnorm, wa1)
            call solve_transposed(n, r, ldr, wa1)
            lower = correction(n, wa1, phi, delta)
        end if

        call transposed_product(n, r, ldr, qtb, wa1)
        wa1 = wa1/diag(ipvt)
        gradient_norm = enorm(n, wa1)
        upper = gradient_norm/delta
        if (upper == 0) upper = smallest_normal/min(delta, sharpest_cut)

        par = min(max(par, lower), upper)
        if (par == 0) par = gradient_norm/dxnorm

        do trial = 1, max_trials
            if (par == 0) par = max(smallest_normal, least_fraction*upper)
            wa1 = sqrt(par)*diag
            call qrsolv(n, r, ldr, ipvt, wa1, qtb, x, sdiag, wa2)
            wa2 = diag*x
            dxnorm = enorm(n, wa2)
            previous = phi
            phi = dxnorm - delta
            if (abs(phi) <= bound_slack*delta) exit
            if (lower == 0 .and. phi <= previous .and. previous < 0) exit
            if (trial == max_trials) exit

            call length_gradient(n, ipvt, diag, wa2, dxnorm, wa1)
            call solve_transposed_damped(n, r, ldr, sdiag, wa1)
            if (phi > 0) lower = max(lower, par)
            if (phi < 0) upper = min(upper, par)
            par = max(lower, par + correction(n, wa1, phi, delta))
        end do
    end subroutine lmpar

    !> x(0): the leading nonsingular block of R solved, zeros in the place of the other parameters.
    pure subroutine gauss_newton(n, r, ldr, ipvt, qtb, rank, x, wa)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtb(n) !! the right side
        integer(ip), intent(out) :: rank !! columns before the first zero on the diagonal of R
        real(wp), intent(out) :: x(n) !! the solution
        real(wp), intent(out) :: wa(n) !! scratch: Pᵀ x

        integer(ip) :: i, j

        rank = 0
        do j = 1, n
            if (r(j, j) == 0) exit
            rank = j
        end do
        do j = 1, n
            wa(j) = merge(qtb(j), 0.0_wp, j <= rank)
        end do
        do j = rank, 1, -1
            wa(j) = wa(j)/r(j, j)
            do i = 1, j - 1
                wa(i) = wa(i) - r(i, j)*wa(j)
            end do
        end do
        do j = 1, n
            x(ipvt(j)) = wa(j)
        end do
    end subroutine gauss_newton

    !> Pᵀ D (D x/‖D x‖): the gradient of ‖D x‖ with respect to x, in the order of R's columns.
    pure subroutine length_gradient(n, ipvt, diag, dx, dxnorm, y)
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: dx(n) !! D x
        real(wp), intent(in) :: dxnorm !! ‖D x‖ > 0
        real(wp), intent(out) :: y(n) !! the gradient

        integer(ip) :: j

        do j = 1, n
            y(j) = diag(ipvt(j))*(dx(ipvt(j))/dxnorm)
        end do
    end subroutine length_gradient

    !> Newton's correction of λ: φ/(Δ ‖y‖²), with y = S⁻ᵀ times the gradient of ‖D x‖.
    pure function correction(n, y, phi, delta)
        integer(ip), intent(in) :: n !! length of y
        real(wp), intent(in) :: y(n) !! y
        real(wp), intent(in) :: phi !! φ(λ)
        real(wp), intent(in) :: delta !! Δ
        real(wp) :: correction

        real(wp) :: norm

        norm = enorm(n, y)
        correction = ((phi/delta)/norm)/norm
    end function correction

end module minpack_lmpar
