!> Second decision of an iteration: where to try next.
module minpack_propose
    use minpack_boxsolv, only: at_lower, at_upper, boxsolv, boxsolv_vectors, descent_changes, is_free, patience
    use minpack_constants, only: bound_slack, least_fraction, machine_precision
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: lm_fit
    use minpack_kinds, only: ip, wp
    use minpack_lmpar, only: correction, lmpar
    use minpack_triangle, only: add_product, solve_transposed_damped
    implicit none
    private
    public :: column_lengths, propose, set_damping, take_step

    !> Values of λ at most. Newton's iteration takes some three; where that fails the bounds halve on a logarithmic scale.
    integer(ip), parameter :: most_trials = 30_ip
    !> Bounds for λ so close to one another (`closed`) that still hold no λ for which ‖D p‖ is within a tenth of Δ: rounding makes
    !> ‖D p(λ)‖ jump there, as it may where the data leave a direction open. Then λ grows by `raise` until the step is short
    !> enough.
    real(wp), parameter :: closed = 1.1_wp, raise = 4.0_wp
    !> Columns are damped by this fraction of their length at least, lest a solution be undetermined: in directions that the data
    !> leave open the step is then of the size of rounding's share in f, which moves nothing. Ten times larger or smaller changes
    !> none of the standard runs.
    real(wp), parameter :: least_damping = 10*machine_precision

contains

    !> The trial point for the present step bound, and the reduction that the linear model predicts there.
    !>
    !> Without bounds, and where it lies within them, it is MINPACK's, to the bit: λ and p by lmpar. Otherwise it minimizes the
    !> same model within the bounds and, in place of a sphere, ‖D p‖ <= 1.1 Δ: for a given λ,
    !>
    !>     p(λ) minimizes ‖f + J p‖² + λ ‖D p‖² within lower <= x + p <= upper  (boxsolv),
    !>
    !> and λ >= 0 is such that either λ = 0 and ‖D p‖ <= 1.1 Δ, or | ‖D p‖ - Δ | <= 0.1 Δ, as lmpar has it. ‖D p(λ)‖ never grows
    !> with λ: Newton's iteration on 1/‖D p(λ)‖, whose slope the free parameters determine, is kept between bounds that close
    !> in. A step so chosen reduces the model at least as much as any other one within the bounds that isn't longer.
    !>
    !> In the notation of Moré (1978): `delta` is Δ, `par` λ, `step` p, `pnorm` ‖D p‖; `prered` and `dirder` are the predicted
    !> reduction of ‖f‖² and half its slope along p, both relative to ‖f‖².
    pure subroutine propose(fit, n, r, ldr, ipvt, qtf, diag, x, lower, upper, trial, step, wa1, wa2, side, place, box)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like all that follows without a word
        real(wp), intent(inout) :: r(ldr, n)
        real(wp), intent(in) :: qtf(n), diag(n), x(n), lower(n), upper(n)
        real(wp), intent(inout) :: trial(n) !! on return x + p, within the bounds
        real(wp), intent(inout) :: step(n) !! on return p
        real(wp), intent(inout) :: wa1(n), wa2(n)
        integer(ip), intent(inout) :: side(*) !! on return which bound holds a parameter, where there are bounds
        integer(ip), intent(inout) :: place(*)
        real(wp), intent(inout) :: box(n, *) !! scratch where there are bounds: n + 1 columns for boxsolv's matrix, 8 more

        integer(ip), parameter :: vectors = boxsolv_vectors
        real(wp) :: delta

        delta = fit%delta
        call lmpar(n, r, ldr, ipvt, diag, qtf, fit%delta, fit%par, step, trial, wa1, wa2)
        step = -step
        trial = x + step
        wa1 = diag*step
        fit%pnorm = enorm(n, wa1)
        if (fit%iteration == 1) fit%delta = min(fit%delta, fit%pnorm)
        call predict(n, r, ldr, ipvt, step, wa1, fit)
        if (fit%boxed == 0) return
        side(1:n) = is_free
        if (all(trial >= lower .and. trial <= upper)) return

        call guess_sides(n, trial, lower, upper, side)
        call find_step(n, r, ldr, ipvt, qtf, diag, delta, x, lower, upper, fit%par, step, fit%pnorm, side, place, box, &
                       box(1, n + 2), box(1, n + 2 + vectors), box(1, n + 3 + vectors), box(1, n + 4 + vectors), wa1, wa2)
        call take_step(n, x, lower, upper, side, step, trial)
        if (fit%iteration == 1) fit%delta = min(delta, fit%pnorm)
        call predict_within(n, r, ldr, ipvt, qtf, step, wa1, fit)
    end subroutine propose

    !> What the model says of lmpar's step.
    pure subroutine predict(n, r, ldr, ipvt, step, change, fit)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: step(n) !! p
        real(wp), intent(inout) :: change(n) !! scratch: R Pᵀ p, as long as J p
        type(lm_fit), intent(inout) :: fit

        real(wp) :: damped, undamped

        change = 0
        call add_product(n, r, ldr, ipvt, step, change)
        undamped = enorm(n, change)/fit%fnorm
        damped = (sqrt(fit%par)*fit%pnorm)/fit%fnorm
        fit%prered = undamped**2 + 2*damped**2
        fit%dirder = -(undamped**2 + damped**2)
    end subroutine predict

    !> Variables that the step without bounds takes beyond one, to that one.
    pure subroutine guess_sides(n, trial, lower, upper, side)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: trial(n), lower(n), upper(n) !! the trial point and bounds
        integer(ip), intent(out) :: side(n) !! as boxsolv wants it

        integer(ip) :: i

        do i = 1, n
            side(i) = is_free
            if (trial(i) > upper(i)) side(i) = at_upper
            if (trial(i) < lower(i)) side(i) = at_lower
        end do
    end subroutine guess_sides

    !> λ and p(λ).
    pure subroutine find_step(n, r, ldr, ipvt, qtf, diag, delta, x, lower, upper, par, p, pnorm, side, place, w, v, &
                              lo, hi, norms, mu, wa)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: delta !! Δ
        real(wp), intent(in) :: x(n), lower(n), upper(n) !! the iterate and its bounds
        real(wp), intent(inout) :: par !! estimate of λ; on return λ
        real(wp), intent(inout) :: p(n), pnorm !! on return the step, and ‖D p‖
        integer(ip), intent(inout) :: side(n) !! which bounds hold: a guess, and what became of it
        integer(ip), intent(inout) :: place(n, 2) !! scratch
        real(wp), intent(inout) :: w(n, n + 1), v(n, boxsolv_vectors) !! scratch for boxsolv
        real(wp), intent(inout) :: lo(n), hi(n), norms(n), mu(n), wa(n) !! scratch

        real(wp) :: least, most, phi
        integer(ip) :: nfree, rounds, trial
        logical :: raises

        lo = min(lower - x, 0.0_wp)
        hi = max(upper - x, 0.0_wp)
        call column_lengths(n, r, ldr, ipvt, norms)

        call set_damping(n, 0.0_wp, diag, norms, mu)
        call boxsolv(n, r, ldr, ipvt, norms, mu, qtf, lo, hi, patience, descent_changes*n, side, p, nfree, &
                     place, rounds, w, v)
        wa = diag*p
        pnorm = enorm(n, wa)
        if (pnorm - delta <= bound_slack*delta) then
            par = 0
            return
        end if

        least = (least_damping*maxval(norms/diag))**2 ! below, λ makes no difference
        most = most_damping(n, r, ldr, ipvt, qtf, diag, lo, hi, delta)
        if (.not. (par > 0 .and. par <= most)) par = least_fraction*most
        raises = .false.
        do trial = 1, most_trials
            call set_damping(n, par, diag, norms, mu)
            call boxsolv(n, r, ldr, ipvt, norms, mu, qtf, lo, hi, patience, descent_changes*n, side, p, nfree, &
                         place, rounds, w, v)
            wa = diag*p
            pnorm = enorm(n, wa)
            phi = pnorm - delta
            if (phi > 0) least = max(least, par)
            if (phi < 0) most = min(most, par)
            raises = raises .or. most <= closed*least
            if (abs(phi) <= bound_slack*delta .or. (raises .and. phi <= 0)) return
            if (raises) then
                par = raise*max(par, most)
            else
                call improve(n, nfree, place, ipvt, diag, wa, pnorm, delta, w, v, mu, least, most, par)
            end if
        end do

        ! No λ was large enough: Δ is so far below ‖f‖ (as where residuals are finite at x alone) that a parameter, once at its
        ! bound, has a gradient that counts as rounding whatever the damping. From 0 to p all is within the bounds.
        p = p*min(delta/pnorm, 1.0_wp)
        wa = diag*p
        pnorm = enorm(n, wa)
        side = is_free
    end subroutine find_step

    !> Norms of the columns of R Pᵀ.
    pure subroutine column_lengths(n, r, ldr, ipvt, norms)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(out) :: norms(n)

        integer(ip) :: j

        do j = 1, n
            norms(ipvt(j)) = enorm(j, r(1, j))
        end do
    end subroutine column_lengths

    !> The diagonal of sqrt(λ) D, or a little more.
    pure subroutine set_damping(n, par, diag, norms, mu)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: par !! λ
        real(wp), intent(in) :: diag(n), norms(n) !! diagonal of D, and norms of the columns of R Pᵀ
        real(wp), intent(out) :: mu(n) !! the result, > 0

        integer(ip) :: i

        do i = 1, n
            mu(i) = max(sqrt(par)*diag(i), least_damping*norms(i))
            if (.not. mu(i) > 0) mu(i) = diag(i)
        end do
    end subroutine set_damping

    !> A λ from which on ‖D p(λ)‖ <= Δ: ‖D⁻¹ g‖/Δ, of the variables that the gradient g lets move.
    pure function most_damping(n, r, ldr, ipvt, qtf, diag, lo, hi, delta) result(most)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n), diag(n) !! first n entries of Qᵀf, diagonal of D
        real(wp), intent(in) :: lo(n), hi(n) !! bounds of the step
        real(wp), intent(in) :: delta !! Δ
        real(wp) :: most

        real(wp) :: g, largest_slope, total
        integer(ip) :: i, j, pass

        largest_slope = 0
        total = 0
        do pass = 1, 2 ! the largest first, lest a square overflow
            do j = 1, n
                g = 0
                do i = 1, j
                    g = g + r(i, j)*qtf(i)
                end do
                g = g/diag(ipvt(j))
                if (g > 0 .and. lo(ipvt(j)) >= 0 .or. g < 0 .and. hi(ipvt(j)) <= 0) cycle
                if (pass == 1) largest_slope = max(largest_slope, abs(g))
                if (pass == 2 .and. largest_slope > 0) total = total + (g/largest_slope)**2
            end do
        end do
        most = (largest_slope/delta)*sqrt(total)
    end function most_damping

    !> The next λ: Newton's, where that is between the bounds.
    pure subroutine improve(n, nfree, place, ipvt, diag, dp, pnorm, delta, w, v, y, least, most, par)
        integer(ip), intent(in) :: n, nfree !! parameters, and free ones
        integer(ip), intent(in) :: place(nfree), ipvt(n) !! columns that are free, and P
        real(wp), intent(in) :: diag(n), dp(n) !! diagonal of D, and D p
        real(wp), intent(in) :: pnorm, delta !! ‖D p‖ and Δ
        real(wp), intent(in) :: w(n, n + 1), v(n, boxsolv_vectors) !! Sᵀ and, first, its diagonal
        real(wp), intent(inout) :: y(n) !! scratch
        real(wp), intent(in) :: least, most !! bounds
        real(wp), intent(inout) :: par !! λ

        integer(ip) :: k
        real(wp) :: norm

        do k = 1, nfree
            y(k) = diag(ipvt(place(k)))*(dp(ipvt(place(k)))/pnorm)
        end do
        call solve_transposed_damped(nfree, w, n, v(1, 1), y)
        norm = enorm(nfree, y)
        if (norm > 0) par = par + correction(nfree, y, pnorm - delta, delta)
        if (norm > 0 .and. par > least .and. par < most) return
        par = sqrt(max(least, least_fraction*most))*sqrt(most)
    end subroutine improve

    !> The trial point; variables that a bound holds get its very value.
    pure subroutine take_step(n, x, lower, upper, side, step, trial)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), lower(n), upper(n), step(n) !! the iterate, its bounds, p
        integer(ip), intent(in) :: side(n) !! which bound holds
        real(wp), intent(out) :: trial(n)

        trial = min(max(x + step, lower), upper)
        trial = merge(lower, merge(upper, trial, side == at_upper), side == at_lower)
    end subroutine take_step

    !> What the model says of a step that bounds have shortened, for which p(λ) solves no linear system of all parameters.
    pure subroutine predict_within(n, r, ldr, ipvt, qtf, step, change, fit)
        integer(ip), intent(in) :: n, ldr !! shape of r
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n), step(n) !! first n entries of Qᵀf, and p
        real(wp), intent(inout) :: change(n) !! scratch: J p/‖f‖
        type(lm_fit), intent(inout) :: fit

        real(wp) :: slope, square
        integer(ip) :: i, j

        change = 0
        do j = 1, n ! p/‖f‖ entry by entry, where a product that came first could overflow
            do i = 1, j
                change(i) = change(i) + r(i, j)*(step(ipvt(j))/fit%fnorm)
            end do
        end do
        slope = 0
        square = 0
        do i = 1, n
            slope = slope + change(i)*(qtf(i)/fit%fnorm)
            square = square + change(i)**2
        end do
        fit%dirder = min(slope, 0.0_wp)
        fit%prered = max(-(2*slope + square), 0.0_wp) ! not < 0: that would take an uphill step for a success
    end subroutine predict_within

end module minpack_propose
