!> Whether a fit that would end, or creeps, should begin anew from where it is.
module minpack_restart
    use minpack_constants, only: largest
    use minpack_fit_types, only: begin_anew, lm_fit
    use minpack_info, only: info_maxfev, info_running
    use minpack_kinds, only: ip, wp
    use minpack_propose, only: propose
    use minpack_take_factor, only: assess
    implicit none
    private
    public :: restart

    ! Each number was varied on 530 fits: the standard problems with and without Jacobians, from their starts and from four
    ! random ones beside each. "Costs" are the ends that became lower and higher, of 530.

    !> A fit begins anew only where the cosine of the angle between f and some column of J is larger than this. At minima where
    !> residuals are large and J is nearly singular, steps promise much, but the cosines are small. Ten times larger takes 3 % more
    !> evaluations, ten times smaller 0.2 %, at the same costs; without it 9 fewer of the fits end in a success.
    real(wp), parameter :: least_cosine = 1.0e-3_wp
    !> The first step of a new fit must promise more than the tolerances, and more than this, as a relative reduction of ‖f‖² and
    !> as a relative length. Without it 2.6 % more evaluations, and with the tolerances alone a bounded fit of test_box.py does not
    !> end within 1000; ten times larger or smaller changes none of the standard runs.
    real(wp), parameter :: least_promise = 1.0e-4_wp
    !> A fit that has begun anew must have reduced ‖f‖² by this fraction to do it again: noise can make the first step promise
    !> much each time, and gain next to nothing. From 0.01 to 0.9 it hardly matters; without it fits take twice the evaluations.
    real(wp), parameter :: least_gain = 0.1_wp
    !> While a fit runs, its scaling is outdated where the weight of one parameter against another, in D, is more than this
    !> times what the columns of J would now make it. Ten times larger or smaller leaves the costs as they are on the standard
    !> starts; without it 8 costs are lower and 36 higher.
    real(wp), parameter :: outdated = 100.0_wp

contains

    !> Looks at the first step of a fit that would begin at x, and begins anew where that promises much.
    !>
    !> The scaling D of MINPACK only ever grows. Columns that were very long at a distant start keep steps so short that the
    !> tests on ftol and xtol are met far from any minimum; or they were met because differences near x = 0 had made a
    !> Jacobian of noise, or because the first step bound was that of a start next to 0. A fit that begins anew takes its scaling
    !> from the Jacobian at x, and its step bound from the Gauss-Newton step.
    pure subroutine restart(fit, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, diag, begins, new_diag, trial, step, wa1, &
                            wa2, side, place, box)
        type(lm_fit), intent(inout) :: fit !! on return as if a step had just been taken where the fit begins anew
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one is scratch
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: x(n), lower(n), upper(n) !! the iterate and its bounds
        real(wp), intent(inout) :: diag(n) !! diagonal of D; on return a new one where the fit begins anew
        logical, intent(out) :: begins !! whether it does
        real(wp), intent(inout) :: new_diag(n), trial(n), step(n), wa1(n), wa2(n) !! scratch
        integer(ip), intent(inout) :: side(*), place(*) !! scratch of propose
        real(wp), intent(inout) :: box(n, *) !! scratch of propose

        type(lm_fit) :: new
        logical :: creeps

        begins = .false.
        creeps = fit%info == info_running
        if (fit%restart_norm > 0) then
            if ((fit%fnorm/fit%restart_norm)**2 > 1 - least_gain) return
        end if

        new = fit
        call begin_anew(new, fit%fnorm)
        new_diag = diag
        call assess(new, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, new_diag, wa1, wa2)
        if (new%info /= info_running .or. new%gnorm <= least_cosine) return
        if (creeps .and. maxval(diag/new_diag) <= outdated*minval(diag/new_diag)) return
        new%delta = sqrt(largest)
        call propose(new, n, r, ldr, ipvt, qtf, new_diag, x, lower, upper, trial, step, wa1, wa2, side, place, box)
        if (new%prered <= max(fit%ftol, least_promise)) return
        if (new%pnorm <= max(fit%xtol, least_promise)*new%xnorm) return

        if (fit%nfev >= fit%maxfev) then
            fit%info = info_maxfev ! the end is none, and there is no evaluation left to go on with
            return
        end if
        begins = .true.
        diag = new_diag
        fit = new
        fit%differences = fit%order
        fit%restart_norm = new%fnorm
        fit%par = 0
        fit%iteration = 2 ! lest scaling and step bound be chosen once more
    end subroutine restart

end module minpack_restart
