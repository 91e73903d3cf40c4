!> The factorizations of many fits, and what they say.
module minpack_factor_many
    use minpack_beside, only: suspicious
    use minpack_choose_many, only: factor_across, lanes
    use minpack_constants, only: largest, machine_precision
    use minpack_decide_many, only: make_sure, small_offset
    use minpack_fates, only: goes_alone, is_done, wants_trial
    use minpack_fit_types, only: lm_fit
    use minpack_info, only: info_gtol, info_running
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: factor_many

    ! Numbers of the single fit, which these have to agree with. They are private where they are explained.
    real(wp), parameter :: least_offset = 1.0e-7_wp, offset_by_tolerance = 10.0_wp ! certify.f90
    real(wp), parameter :: roundings = 10.0_wp, margin = 30.0_wp, evaporated = 1.0e-6_wp ! certify.f90
    real(wp), parameter :: no_doubt = 3.0e-5_wp ! careful.f90
    integer(ip), parameter :: patience = 30_ip ! certify.f90

contains

    !> Factors the Jacobians of some of the fits, and decides what comes next.
    !>
    !> A fit on its way proposes a step, or is done where the gradient test is met. Of a fit whose end is made sure of (`claim`) the
    !> offset is looked at: it is done where that is as small as least_squares wants it, and otherwise goes on. It goes alone where
    !> the cheap look does not certify that: columns that are nearly dependent, or differences that may be wrong.
    pure subroutine factor_many(m, n, w, count, slots, jac, change, bend, fits, x, r, qtf, acnorm, diag, work, fates) &
            bind(c, name="factor_many_")
        integer(ip), intent(in) :: m, n, w, count !! points, parameters, places for fits, and fits that are factored
        integer(ip), intent(in) :: slots(count) !! their places, from 0
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *) !! their Jacobians and residuals; destroyed
        real(wp), intent(in) :: change(count, n), bend(count, n) !! as take_central has them; of a given Jacobian in the first
        !! column how residuals change along a step, and by how much J is wrong about it; not read before there is a claim
        type(lm_fit), intent(inout) :: fits(w)
        real(wp), intent(in) :: x(w, n) !! the iterates
        real(wp), intent(inout) :: r(w, *), qtf(w, n), acnorm(w, n), diag(w, n) !! R packed, Qᵀf, norms of columns, D
        real(wp), intent(inout) :: work(lanes, *) !! scratch: n (n + 1)/2 + 2 n vectors
        integer(ip), intent(inout) :: fates(w)

        integer(ip) :: at_norms, at_qtf, b, i, j, l, last, p, packed
        integer(ip) :: place(lanes)
        real(wp) :: cosine(lanes), sine(lanes)
        real(wp) :: scale(lanes, n), point(lanes, n)
        real(wp) :: own_r(n*(n + 1)/2), own_qtf(n), own_norms(n), own_scale(n), own_point(n), changes(n), bends(n) ! of one fit

        packed = n*(n + 1)/2
        at_qtf = packed + 1
        at_norms = at_qtf + n
        do b = 1, (count + lanes - 1)/lanes
            last = min(lanes, count - (b - 1)*lanes)
            place(:last) = slots((b - 1)*lanes + 1:(b - 1)*lanes + last) + 1
            call factor_across(m, n, jac(1, 1, 1, b), work, work(1, at_qtf), work(1, at_norms), cosine, sine)
            ! Column by column: what lies w numbers apart shares few lines of the cache.
            do j = 1, n
                do l = 1, last
                    scale(l, j) = diag(place(l), j)
                    point(l, j) = x(place(l), j)
                end do
            end do
            do l = 1, last
                p = (b - 1)*lanes + l
                i = place(l)
                own_scale = scale(l, :)
                own_point = point(l, :)
                own_norms = work(l, at_norms:at_norms + n - 1)
                if (fates(i) == goes_alone) cycle
                fits(i)%njev = fits(i)%njev + 1
                call see(fits(i), n, own_norms, own_point, own_scale, cosine(l))
                scale(l, :) = max(own_scale, own_norms)
                if (fits(i)%claim == 0) then
                    call look_on_the_way(fits(i), n, sine(l), fates(i))
                else
                    own_r = work(l, :packed)
                    own_qtf = work(l, at_qtf:at_qtf + n - 1)
                    changes = change(p, :)
                    bends = bend(p, :)
                    call look_at_the_end(fits(i), n, own_r, own_qtf, own_point, sine(l), changes, bends, fates(i))
                end if
            end do
            do j = 1, packed
                do l = 1, last
                    r(place(l), j) = work(l, j)
                end do
            end do
            do j = 1, n
                do l = 1, last
                    qtf(place(l), j) = work(l, at_qtf + j - 1)
                    acnorm(place(l), j) = work(l, at_norms + j - 1)
                    diag(place(l), j) = scale(l, j)
                end do
            end do
        end do
    end subroutine factor_many

    !> Rounding, the first step bound, the gradient: as lm_take_factor has them.
    pure subroutine see(fit, n, acnorm, x, diag, cosine)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: acnorm(n), x(n) !! norms of the columns of J, the iterate
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: cosine !! max |column · f|/‖column‖

        real(wp) :: length

        length = sqrt(sum((acnorm*x)**2))
        fit%rounding = machine_precision*max(length, fit%fnorm)
        if (fit%terms == 0) fit%terms = fit%rounding/machine_precision
        fit%highest = min(fit%highest, fit%rounding/machine_precision)
        fit%gnorm = cosine/fit%fnorm
        if (fit%iteration > 1) return
        diag = merge(acnorm, 1.0_wp, acnorm > 0)
        fit%xnorm = length
        fit%delta = fit%factor*length
        if (fit%delta == 0) fit%delta = fit%factor
    end subroutine see

    !> What comes next before any test is met.
    pure subroutine look_on_the_way(fit, n, sine, fate)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: sine !! the least sine of angles between columns
        integer(ip), intent(inout) :: fate

        real(wp) :: error

        error = max(fit%m, n, 10_ip)*machine_precision
        if (fit%differences /= 0) error = 2*sqrt(machine_precision)
        fate = wants_trial
        if (fit%gnorm <= fit%gtol) then
            fit%info = info_gtol
            call make_sure(fit, fate)
        end if
        if (.not. (sine > error .and. fit%rounding <= largest)) fate = goes_alone
    end subroutine look_on_the_way

    !> What comes next where a test has been met: see certify.f90.
    pure subroutine look_at_the_end(fit, n, r, qtf, x, sine, change, bend, fate)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: r(n*(n + 1)/2), qtf(n), x(n) !! R, Qᵀf, the iterate
        real(wp), intent(in) :: sine !! the least sine of angles between columns
        real(wp), intent(in) :: change(n), bend(n) !! as factor_many has them
        integer(ip), intent(out) :: fate

        real(wp) :: error

        fate = goes_alone
        if (fit%differences /= 0) then
            fit%doubt = largest_doubt(n, change, bend, max(fit%rounding, machine_precision*fit%fnorm))
            if (.not. fit%doubt <= no_doubt) return
            error = margin*max(fit%doubt, machine_precision**(2.0_wp/3))
        else
            if (.not. bend(1) <= suspicious*change(1)) return
            error = max(fit%m, n, 10_ip)*machine_precision
        end if
        if (.not. (sine > max(error, evaporated) .and. fit%rounding <= largest)) return
        fate = is_done
        if (fit%fnorm <= roundings*fit%rounding) return
        fit%offset = offset_of(fit, n, sum((qtf/fit%fnorm)**2))
        if (fit%offset <= min(max(least_offset, offset_by_tolerance*max(fit%ftol, fit%xtol)), small_offset)) return
        if (fit%info /= info_running) then ! nothing more is to be gained
            fate = merge(is_done, goes_alone, fit%offset <= small_offset)
            return
        end if
        if (fit%differences /= 0 .and. fit%offset <= small_offset) then
            if (has_arrived(n, r, qtf, x, fit%xtol)) return
        end if
        fate = merge(wants_trial, goes_alone, fit%iteration <= patience)
    end subroutine look_at_the_end

    !> The largest doubt about a column, as doubt_by of careful.f90 has it.
    pure real(wp) function largest_doubt(n, change, bend, noise) result(doubt)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: change(n), bend(n), noise !! as take_central has them; the rounding of ‖f‖

        real(wp) :: floor, one
        integer(ip) :: j

        floor = minval(bend)
        doubt = 0
        do j = 1, n
            one = (floor + noise)/change(j) + ((bend(j) - floor)/change(j))**2
            if (.not. one <= doubt) doubt = one
        end do
    end function largest_doubt

    !> The relative offset, as offset_by of certify.f90 has it.
    pure real(wp) function offset_of(fit, n, explained) result(offset)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: explained !! ‖Q₁ᵀf‖²/‖f‖²

        real(wp) :: part, rest, rounding

        offset = 0
        part = min(explained, 1.0_wp)
        rounding = roundings*fit%rounding/fit%fnorm
        if (part <= rounding**2) return
        rest = sqrt((1 - part)/max(fit%m - n, 1_ip))
        if (fit%m == n) rest = sqrt(1/real(n, wp))
        offset = sqrt(part/n)/max(rest, rounding/sqrt(real(fit%m, wp)))
    end function offset_of

    !> Whether the step of Gauss and Newton is within xtol of each parameter: see arrived.f90.
    pure logical function has_arrived(n, r, qtf, x, xtol)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: r(n*(n + 1)/2), qtf(n), x(n), xtol !! as above

        real(wp) :: step(n)
        integer(ip) :: j, top

        step = qtf
        has_arrived = .true.
        do j = n, 1, -1
            top = j*(j - 1)/2
            step(j) = step(j)/r(top + j)
            step(:j - 1) = step(:j - 1) - r(top + 1:top + j - 1)*step(j)
            if (.not. abs(step(j)) <= xtol*abs(x(j))) has_arrived = .false.
        end do
    end function has_arrived

end module minpack_factor_many
