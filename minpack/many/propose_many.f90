!> The trial points of many fits.
module minpack_propose_many
    use minpack_choose_many, only: lanes, step_across
    use minpack_constants, only: largest
    use minpack_fates, only: goes_alone, wants_norm, wants_trial
    use minpack_fit_types, only: lm_fit
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: propose_many

contains

    !> What propose does for one fit without bounds. A fit whose trial point lies outside its bounds goes alone.
    pure subroutine propose_many(n, w, fits, r, qtf, diag, lower, upper, x, trial, xnorms, work, fates) &
            bind(c, name="propose_many_")
        integer(ip), intent(in) :: n, w !! parameters and fits
        type(lm_fit), intent(inout) :: fits(w)
        real(wp), intent(in) :: r(w, *) !! R, packed as in factor_across.F90
        real(wp), intent(in) :: qtf(w, n), diag(w, n) !! Qᵀf, diagonal of D
        real(wp), intent(in) :: lower(n), upper(n) !! bounds of all
        real(wp), intent(in) :: x(w, n) !! the iterates
        real(wp), intent(inout) :: trial(w, n), xnorms(w) !! the trial points, and ‖D trial‖
        real(wp), intent(inout) :: work(lanes, *) !! scratch: n (n + 1) + 6 n vectors
        integer(ip), intent(inout) :: fates(w)

        integer(ip) :: at_diag, at_e, at_p, at_qtf, at_s, at_y, at_z, first, i, j, l, last, packed
        integer(ip) :: place(lanes)
        real(wp) :: delta(lanes), par(lanes), pnorm(lanes), undamped(lanes)

        packed = n*(n + 1)/2
        at_s = packed + 1
        at_qtf = 2*packed + 1
        at_diag = at_qtf + n
        at_p = at_diag + n
        at_z = at_p + n
        at_e = at_z + n
        at_y = at_e + n
        do first = 1, w, lanes
            last = min(first + lanes - 1, w)
            if (all(fates(first:last) /= wants_trial)) cycle
            delta = largest
            par = 0
            do l = 1, lanes ! lanes without a fit repeat the last
                place(l) = min(first + l - 1, last)
            end do
            do j = 1, packed
                work(:, j) = r(place, j)
            end do
            do j = 1, n
                work(:, at_qtf + j - 1) = qtf(place, j)
                work(:, at_diag + j - 1) = diag(place, j)
            end do
            do l = 1, lanes
                i = place(l)
                if (fates(i) /= wants_trial) cycle
                delta(l) = fits(i)%delta
                par(l) = fits(i)%par
            end do
            call step_across(n, work, work(1, at_qtf), work(1, at_diag), delta, par, work(1, at_p), pnorm, undamped, &
                             work(1, at_s), work(1, at_z), work(1, at_e), work(1, at_y))
            do l = 1, last - first + 1
                i = first + l - 1
                if (fates(i) /= wants_trial) cycle
                fates(i) = wants_norm
                xnorms(i) = 0
                do j = 1, n
                    trial(i, j) = x(i, j) - work(l, at_p + j - 1)
                    xnorms(i) = xnorms(i) + (diag(i, j)*trial(i, j))**2
                    if (.not. (trial(i, j) >= lower(j) .and. trial(i, j) <= upper(j))) fates(i) = goes_alone
                end do
                xnorms(i) = sqrt(xnorms(i))
                call predict(fits(i), par(l), pnorm(l), undamped(l))
                if (.not. max(xnorms(i), pnorm(l), undamped(l)) <= largest) fates(i) = goes_alone
                if (fates(i) == goes_alone) trial(i, :) = x(i, :)
            end do
        end do
    end subroutine propose_many

    !> What the model says of a step, as propose has it.
    pure subroutine predict(fit, par, pnorm, undamped)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: par, pnorm, undamped !! λ, ‖D p‖, ‖J p‖

        real(wp) :: damped, whole

        fit%par = par
        fit%pnorm = pnorm
        if (fit%iteration == 1) fit%delta = min(fit%delta, pnorm)
        whole = undamped/fit%fnorm
        damped = (sqrt(par)*pnorm)/fit%fnorm
        fit%prered = whole**2 + 2*damped**2
        fit%dirder = -(whole**2 + damped**2)
    end subroutine predict

end module minpack_propose_many
