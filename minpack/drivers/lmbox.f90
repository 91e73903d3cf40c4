!> The fit that least_squares makes: within bounds, resumable, with the Jacobian at its end.
module minpack_lmbox
    use minpack_boxsolv, only: boxsolv_vectors
    use minpack_callbacks, only: jacobian_function
    use minpack_constants, only: largest, machine_precision
    use minpack_enorm, only: enorm
    use minpack_forward_steps, only: forward_steps, inside, set_floors
    use minpack_info, only: info_jacobian_not_finite, info_maxfev, info_running
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: fold_blocks, lm_factor, pivot_blocks
    use minpack_lm_judge, only: lm_judge
    use minpack_lm_look_again, only: lm_look_again
    use minpack_lm_propose, only: lm_propose
    use minpack_lm_propose_box, only: lm_propose_box
    use minpack_lm_start, only: lm_start
    use minpack_lm_start_box, only: lm_start_box
    use minpack_lm_types, only: lm_begin, lm_control, lm_state
    use minpack_unfelt, only: contradicts_differences, felt, find_unfelt, single_precision, were_misleading
    implicit none
    private
    public :: lmbox

    ! What fcn is asked for.
    integer(ip), parameter :: residuals = 1_ip, jacobian = 2_ip

    !> Where Jacobians come from, and how they are factored.
    type, bind(c), public :: lm_source
        real(wp) :: precision !! relative error of the residuals, which differences follow; 0: their steps are given
        integer(ip) :: by_differences !! not 0: differences; 0: fcn gives them
        integer(ip) :: tried !! not 0: precision is the caller's word, or has been found out
        integer(ip) :: boxed !! not 0: there are bounds
        integer(ip) :: by_blocks !! not 0: factored by blocks of rows
        integer(ip) :: floored !! not 0: least sizes are the caller's, or have been found
        real(wp) :: renewed !! ‖f‖ where the fit last began anew; 0 where it never did
    end type lm_source

    !> How much has been done so far.
    type, bind(c), public :: lm_counts
        integer(ip) :: nfev !! evaluations of the residuals, those for differences not counted
        integer(ip) :: njev !! Jacobians
        integer(ip) :: nit !! accepted steps
    end type lm_counts

contains

    !> Goes on with a fit until it ends. lm_begin's state and the start are all that it needs; and so are, between any
    !> two accepted steps, what this routine or the caller's own loop has made of them.
    !>
    !> Without bounds the iterates are those of lmdif and lmder, until it begins anew where these would end or creep
    !> (lm_look_again). The Jacobian is kept apart from its factorization, and
    !> both are brought up to date with the solution, for the sake of the covariance.
    recursive subroutine lmbox(fcn, control, source, m, n, x, fvec, diag, state, counts, lower, upper, typical, eta, &
                               status, current, fjac, r, ipvt, qtf, acnorm, wa1, wa2, wa3, wa4, wa5, side, place, box, &
                               factor) bind(c, name="lmbox_")
        procedure(jacobian_function) :: fcn !! the residuals F and, unless by differences, their Jacobian
        type(lm_control), intent(in) :: control
        type(lm_source), intent(inout) :: source
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the best point so far
        real(wp), intent(inout) :: fvec(m) !! the residuals there
        real(wp), intent(inout) :: diag(n) !! scale factors
        type(lm_state), intent(inout) :: state
        type(lm_counts), intent(inout) :: counts
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, lower < upper, infinite where there are none
        real(wp), intent(inout) :: typical(n) !! least sizes of the parameters for differences, >= 0
        real(wp), intent(inout) :: eta(n) !! relative steps of differences; set here unless precision is 0
        integer(ip), intent(out) :: status !! 0, or what fcn has asked to stop with, < 0
        integer(ip), intent(out) :: current !! not 0: what follows is of the solution
        real(wp), intent(out) :: fjac(m, n) !! J
        real(wp), intent(out) :: r(n, n) !! R in the upper triangle; undefined, as P and Qᵀf are, where J isn't finite
        integer(ip), intent(out) :: ipvt(n) !! P, with J P = Q R
        real(wp), intent(out) :: qtf(n) !! the first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: wa1(n), wa2(n), wa3(n), wa4(n), wa5(m) !! scratch
        integer(ip), intent(out) :: side(n), place(n, 2) !! scratch
        real(wp), intent(out) :: box(n, n + 6 + boxsolv_vectors) !! scratch
        real(wp), intent(inout) :: factor(*) !! scratch: by_blocks blocks_work(n) numbers, aligned; else m n

        logical :: accepted
        integer(ip) :: goes_on

        status = 0
        current = 0
        fit: block
            do
                do while (state%info == info_running)
                    if (current == 0) call renew
                    if (status < 0) exit fit
                    call start
                    if (state%info == info_running) call look_again
                    call take_step
                    if (status < 0) exit fit
                end do
                call find_floors
                if (current == 0) call renew
                if (status < 0) exit fit
                call look_again
                if (goes_on == 0) exit fit
            end do
        end block fit
        status = min(status, 0_ip)

    contains

        !> The Jacobian at x and its factorization.
        subroutine renew
            current = 0
            if (source%by_differences /= 0) then
                call differences(fcn, source, m, n, x, fvec, lower, upper, typical, eta, fjac, status, side, wa1, wa2, &
                                 wa3, wa4, wa5)
            else
                status = jacobian
                call fcn(m, n, x, fvec, fjac, m, status)
            end if
            if (status < 0) return
            counts%njev = counts%njev + 1
            current = 1
            if (source%by_blocks /= 0) then
                call fold_blocks(m, n, fjac, fvec, acnorm, factor)
                if (all(acnorm <= largest)) call pivot_blocks(n, factor, r, n, ipvt, qtf, acnorm, wa1)
            else
                wa5 = fvec
                call factor_columns(m, n, fjac, factor, ipvt, wa5, qtf, acnorm, r, wa1, wa2)
            end if
        end subroutine renew

        !> What the new Jacobian says.
        subroutine start
            if (source%boxed /= 0) then
                call lm_start_box(control, n, r, n, ipvt, qtf, acnorm, x, lower, upper, diag, state, side, wa3)
            else
                call lm_start(control, n, r, n, ipvt, qtf, acnorm, x, diag, state, wa3)
            end if
        end subroutine start

        !> Whether the fit, at its end or creeping, begins anew.
        subroutine look_again
            call lm_look_again(control, n, r, n, ipvt, qtf, acnorm, x, lower, upper, diag, state, source%renewed, &
                               goes_on, wa1, wa2, wa3, side, place, box)
        end subroutine look_again

        !> Trial points until one is accepted, or the fit has ended or is to begin anew.
        subroutine take_step
            accepted = .false.
            do while (state%info == info_running .and. .not. accepted)
                call propose
                status = residuals
                call fcn(m, n, wa1, wa5, fjac, m, status)
                counts%nfev = counts%nfev + 1
                if (status < 0) return
                call lm_judge(control, n, diag, wa1, enorm(m, wa5), counts%nfev, x, state, wa3)
                accepted = state%accepted
            end do
            if (accepted) then
                fvec = wa5
                counts%nit = counts%nit + 1
                current = 0
            else if (trusts_double(source) .and. were_misleading(state)) then
                source%precision = single_precision
                source%tried = 1
                state = lm_begin(state%fnorm)
                current = 0
            end if
        end subroutine take_step

        !> Has differences be taken with longer steps where some were too short, at the end of a fit.
        subroutine find_floors
            integer(ip) :: low

            if (source%floored /= 0 .or. any(state%info == [info_maxfev, info_jacobian_not_finite])) return
            call set_floors(n, x, diag, state%fnorm, typical, low)
            if (low == 0) return
            source%floored = 1
            current = 0
        end subroutine find_floors

        !> The point to try, in wa1.
        subroutine propose
            if (source%boxed /= 0) then
                call lm_propose_box(n, r, n, ipvt, qtf, diag, x, lower, upper, state, wa1, wa2, side, place, box)
            else
                call lm_propose(n, r, n, ipvt, qtf, diag, x, state, wa1, wa2, wa3, wa4)
            end if
        end subroutine propose

    end subroutine lmbox

    !> Whether differences follow double precision, for want of anything that speaks against it.
    pure logical function trusts_double(source)
        type(lm_source), intent(in) :: source

        trusts_double = source%by_differences /= 0 .and. source%precision > 0 &
                        .and. source%precision <= machine_precision
    end function trusts_double

    !> lm_factor of a copy of J; R alone is kept.
    pure subroutine factor_columns(m, n, fjac, copy, ipvt, f, qtf, acnorm, r, rdiag, wa)
        integer(ip), intent(in) :: m, n !! rows and columns
        real(wp), intent(in) :: fjac(m, n) !! J
        real(wp), intent(out) :: copy(m, n) !! scratch
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(inout) :: f(m) !! the residuals; on return Qᵀf
        real(wp), intent(out) :: qtf(n) !! its first n entries
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: r(n, n) !! R in the upper triangle
        real(wp), intent(out) :: rdiag(n), wa(n) !! scratch

        copy = fjac
        call lm_factor(m, n, copy, m, ipvt, f, qtf, acnorm, rdiag, wa)
        r = copy(1:n, :)
    end subroutine factor_columns

    !> The Jacobian by differences, once more with longer ones where the residuals prove coarse (unfelt.f90).
    recursive subroutine differences(fcn, source, m, n, x, fvec, lower, upper, typical, eta, fjac, iflag, verdict, point, &
                                     sizes, beside, lengths, moved)
        procedure(jacobian_function) :: fcn !! the residuals
        type(lm_source), intent(inout) :: source
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        real(wp), intent(in) :: lower(n), upper(n), typical(n) !! bounds and least sizes
        real(wp), intent(inout) :: eta(n) !! relative steps
        real(wp), intent(out) :: fjac(m, n) !! the Jacobian
        integer(ip), intent(out) :: iflag !! < 0 where fcn asked to stop
        integer(ip), intent(out) :: verdict(n) !! scratch
        real(wp), intent(out) :: point(n), sizes(n), beside(n), lengths(n), moved(m) !! scratch

        logical :: contradicts

        call columns(fcn, source, m, n, x, fvec, lower, upper, typical, eta, fjac, iflag, point, sizes, beside, lengths, &
                     moved)
        if (iflag < 0 .or. source%tried /= 0) return
        call find_unfelt(m, n, sizes, fvec, fjac, m, verdict)
        if (all(verdict == felt)) return

        point = merge(x, inside(x + sqrt(single_precision)*sizes, x, lower, upper), verdict == felt)
        iflag = residuals
        call fcn(m, n, point, moved, fjac, m, iflag)
        if (iflag < 0) return ! and look again where the fit is resumed
        source%tried = 1
        call contradicts_differences(m, n, x, fvec, fjac, m, verdict, point, moved, contradicts)
        if (.not. contradicts) return
        source%precision = single_precision
        call columns(fcn, source, m, n, x, fvec, lower, upper, typical, eta, fjac, iflag, point, sizes, beside, lengths, &
                     moved)
    end subroutine differences

    !> The Jacobian by differences, one evaluation a column.
    recursive subroutine columns(fcn, source, m, n, x, fvec, lower, upper, typical, eta, fjac, iflag, point, sizes, &
                                 beside, lengths, moved)
        procedure(jacobian_function) :: fcn !! the residuals
        type(lm_source), intent(in) :: source
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        real(wp), intent(in) :: lower(n), upper(n), typical(n) !! bounds and least sizes
        real(wp), intent(inout) :: eta(n) !! relative steps
        real(wp), intent(inout) :: fjac(m, n) !! the Jacobian
        integer(ip), intent(out) :: iflag !! < 0 where fcn asked to stop
        real(wp), intent(out) :: point(n), moved(m) !! scratch
        real(wp), intent(out) :: sizes(n), beside(n), lengths(n) !! the steps, as forward_steps has them

        integer(ip) :: j

        if (source%precision > 0) eta = sqrt(max(source%precision, machine_precision))
        call forward_steps(n, x, typical, eta, lower, upper, sizes, beside, lengths)
        point = x
        do j = 1, n
            point(j) = beside(j)
            iflag = residuals
            call fcn(m, n, point, moved, fjac, m, iflag)
            if (iflag < 0) return
            point(j) = x(j)
            fjac(:, j) = (moved - fvec)/lengths(j)
        end do
    end subroutine columns

end module minpack_lmbox
