!> Geodesic acceleration: steps that follow the curvature of the residuals.
!>
!> The step p of Levenberg and Marquardt is straight. Where the cost has a narrow valley that bends, p soon leaves it, and has to
!> be short. How the valley bends is told by the second derivative of f along p, for which one evaluation is enough,
!>
!>     f_pp = (2/h) ((F(x + h p) - F(x))/h - J p).
!>
!> The a that solves the damped system of p, with f_pp in the place of f, is the second derivative of the way along which f + J p
!> would become what the linear model promises. The trial point is x + p + a/2, or x + p where a is too long for that to be
!> credible.
!>
!> M. K. Transtrum, B. B. Machta, J. P. Sethna, Phys. Rev. E 83 (2011) 036701; M. K. Transtrum, J. P. Sethna, arXiv:1201.5885
!> (2012), who reject a step with too long an a.
!>
!> | here | in the papers |
!> | --- | --- |
!> | `step`, `bend` | δθ₁ (velocity), 2 δθ₂ (acceleration) |
!> | `curvature` | Qᵀ r'', the directional second derivative |
!> | `most_bend`, `part` | α, h |
module minpack_accelerate
    use minpack_boxsolv, only: boxsolv, boxsolv_vectors, descent_changes, is_free, patience
    use minpack_constants, only: largest, machine_precision
    use minpack_decide, only: lm_take_norm
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: careful, lm_fit
    use minpack_info, only: needs_norm
    use minpack_kinds, only: ip, wp
    use minpack_propose, only: column_lengths, set_damping, take_step
    use minpack_qrsolv, only: qrsolv
    use minpack_triangle, only: add_product
    implicit none
    private
    public :: is_worthwhile, lm_take_curvature, look_ahead

    ! Each number was varied on 280 fits from random starts of MINPACK's problems and on 400 of tests/problems/drawn.py; see
    ! minpack/README.md.

    !> h, the part of the step after which f is looked at.
    real(wp), parameter :: part = 0.1_wp
    !> Largest 2 ‖D a‖/‖D p‖ of a step that is accelerated.
    real(wp), parameter :: most_bend = 0.75_wp
    !> h² ‖J p‖ must be so many times the rounding of f: a is then known to two hundredths of p.
    real(wp), parameter :: clear = 100.0_wp

contains

    !> Whether the step that has been proposed is to be accelerated: it promises more than the fit would end with, f tells how it
    !> bends, and an evaluation is left to try where that leads.
    pure logical function is_worthwhile(fit)
        type(lm_fit), intent(in) :: fit

        real(wp) :: noise

        noise = fit%rounding*max(fit%precision/machine_precision, 1.0_wp)
        if (fit%differences == careful) noise = max(noise, fit%noise)
        is_worthwhile = fit%prered > fit%ftol .and. part**2*sqrt(fit%prered)*fit%fnorm > clear*noise &
                        .and. fit%nfev + 2 <= fit%maxfev
    end function is_worthwhile

    !> Where f tells how it bends along the step.
    pure subroutine look_ahead(fit, n, x, lower, upper, step, trial)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), lower(n), upper(n) !! the iterate and its bounds
        real(wp), intent(in) :: step(n) !! p, within the bounds
        real(wp), intent(out) :: trial(n) !! x + h p, within the bounds

        trial = x + part*step
        if (fit%boxed /= 0) trial = min(max(trial, lower), upper)
    end subroutine look_ahead

    !> Takes in the change of f that lm_next wanted, and says where the step leads. Where f isn't finite so near to x, it isn't
    !> tried any farther away: the step is rejected.
    !>
    !> Within bounds a parameter that p takes to one stays there. The others are bent within theirs.
    pure subroutine lm_take_curvature(fit, n, r, ldr, ipvt, curvature, diag, x, lower, upper, trial, step, bend, wa1, wa2, &
                                      side, place, box) bind(c, name="lm_take_curvature_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like all that follows without a word
        real(wp), intent(inout) :: r(ldr, n)
        real(wp), intent(inout) :: curvature(n) !! first n entries of Qᵀ(F(x + h p) - F(x)); on return of Qᵀ f_pp
        real(wp), intent(in) :: diag(n)
        real(wp), intent(inout) :: x(n)
        real(wp), intent(in) :: lower(n), upper(n)
        real(wp), intent(inout) :: trial(n) !! on return the trial point
        real(wp), intent(in) :: step(n) !! p
        real(wp), intent(inout) :: bend(n) !! on return a
        real(wp), intent(inout) :: wa1(n), wa2(n)
        integer(ip), intent(inout) :: side(*), place(*)
        real(wp), intent(inout) :: box(n, *)

        integer(ip), parameter :: vectors = boxsolv_vectors

        if (.not. all(abs(curvature) <= largest)) then
            call lm_take_norm(fit, n, diag, trial, 2*largest, x, wa1)
            return
        end if
        if (fit%given /= 0) fit%nfev = fit%nfev + 1 ! otherwise it is one of those for differences, which don't count
        fit%stage = needs_norm

        curvature = -curvature/part
        call add_product(n, r, ldr, ipvt, step, curvature)
        curvature = -(2/part)*curvature
        wa1 = sqrt(fit%par)*diag
        call qrsolv(n, r, ldr, ipvt, wa1, curvature, bend, wa2, trial)
        bend = -bend
        trial = x + step
        if (fit%boxed /= 0) then
            call take_step(n, x, lower, upper, side, step, trial)
            wa1 = trial + bend/2
            if (any(side(1:n) /= is_free .or. wa1 < lower .or. wa1 > upper)) then
                call bend_within(n, r, ldr, ipvt, curvature, diag, fit%par, lower, upper, trial, bend, side, place, box, &
                                 box(1, n + 2), box(1, n + 2 + vectors), box(1, n + 3 + vectors), box(1, n + 4 + vectors), wa1)
            end if
        end if

        wa1 = diag*bend
        if (.not. 2*enorm(n, wa1) <= most_bend*fit%pnorm) return
        if (fit%boxed == 0) then
            trial = trial + bend/2
        else
            wa1 = merge(lower, merge(upper, trial + bend/2, bend >= 2*(upper - trial)), bend <= 2*(lower - trial))
            trial = min(max(wa1, lower), upper)
        end if
    end subroutine lm_take_curvature

    !> a within bounds: those of x + p + a/2, while parameters that a bound holds stay there.
    pure subroutine bend_within(n, r, ldr, ipvt, curvature, diag, par, lower, upper, ahead, bend, side, place, box, v, lo, hi, &
                                norms, mu)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), curvature(n), diag(n), par, lower(n), upper(n) !! as lm_take_curvature has them
        real(wp), intent(in) :: ahead(n) !! x + p, within the bounds
        real(wp), intent(inout) :: bend(n) !! on return a
        integer(ip), intent(inout) :: side(n) !! which bound holds a parameter; on return of a
        integer(ip), intent(inout) :: place(n, 2) !! scratch
        real(wp), intent(inout) :: box(n, n + 1), v(n, boxsolv_vectors) !! scratch for boxsolv
        real(wp), intent(inout) :: lo(n), hi(n), norms(n), mu(n) !! scratch

        integer(ip) :: nfree, rounds

        lo = merge(2*min(lower - ahead, 0.0_wp), 0.0_wp, side == is_free)
        hi = merge(2*max(upper - ahead, 0.0_wp), 0.0_wp, side == is_free)
        side = is_free
        call column_lengths(n, r, ldr, ipvt, norms)
        call set_damping(n, par, diag, norms, mu)
        call boxsolv(n, r, ldr, ipvt, norms, mu, curvature, lo, hi, patience, descent_changes*n, side, bend, nfree, place, &
                     rounds, box, v)
    end subroutine bend_within

end module minpack_accelerate
