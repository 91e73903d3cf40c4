!> Whether a fit that would end, or creeps, should begin anew from where it is.
module minpack_restart
    use minpack_constants, only: largest
    use minpack_fit_types, only: begin_anew, lm_fit
    use minpack_info, only: info_running
    use minpack_kinds, only: ip, wp
    use minpack_propose, only: propose
    use minpack_take_factor, only: assess
    implicit none
    private
    public :: restart

    !> Smallest cosine of the angle between f and a column of J, and smallest relative reduction of ‖f‖² and relative length of
    !> the Gauss-Newton step, for which a new beginning is worth its evaluations. At minima where residuals are large and J is
    !> nearly singular the step promises much, but the cosines are small; where residuals are nothing but rounding the step is
    !> short. Chosen on Watson's and Chebyquad's functions; ten times larger or smaller changes the end of 2 of the 53
    !> standard runs.
    real(wp), parameter :: least_cosine = 1.0e-3_wp, least_promise = 1.0e-4_wp
    !> A fit that has begun anew must have reduced ‖f‖² by this fraction to do it again: noise can make the step promise much
    !> each time, and gain next to nothing.
    real(wp), parameter :: least_gain = 0.1_wp
    !> While a fit runs, its scaling is outdated where the weight of one parameter against another, in D, is more than this
    !> times what the columns of J would now make it.
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
        if (.not. (new%prered > least_promise .and. new%pnorm > least_promise*new%xnorm)) return

        begins = .true.
        diag = new_diag
        fit = new
        fit%restart_norm = new%fnorm
        fit%par = 0
        fit%iteration = 2 ! lest scaling and step bound be chosen once more
    end subroutine restart

end module minpack_restart
