!> Differences that are too short for the precision that residuals are really computed in.
module minpack_unfelt
    use minpack_callbacks, only: residual_function
    use minpack_constants, only: machine_precision
    use minpack_enorm, only: enorm
    use minpack_info, only: info_maxfev, info_running
    use minpack_kinds, only: ip, wp
    use minpack_lm_types, only: lm_state, wall_none
    implicit none
    private
    public :: contradicts_differences, find_unfelt, try_longer, were_misleading

    !> Relative spacing of single precision numbers: what a model computes in that is coarser than it seems.
    real(wp), parameter, public :: single_precision = real(epsilon(1.0), wp)
    !> How many entries of a column are looked at, evenly spread.
    integer(ip), parameter :: sample = 1000_ip
    !> A longer step contradicts the differences where it is off what they predict by this fraction of itself.
    real(wp), parameter :: contradiction = 0.5_wp

    ! What find_unfelt finds of a parameter:
    integer(ip), parameter, public :: felt = 0_ip !! its differences look right
    integer(ip), parameter, public :: lost = 1_ip !! they are zeros
    integer(ip), parameter, public :: coarse = 2_ip !! they are zeros and single precision rounding

contains

    !> Which columns of a Jacobian by differences are zero, or look as if the residuals were rounded to single precision.
    !>
    !> A difference of 1e-8 x is lost in such residuals: the column comes out as zeros, but for some that lay near
    !> to a rounding boundary and changed by the spacing of single precision numbers there, a power of two. In
    !> some rows at least that is more than the rounding of double precision explains.
    pure subroutine find_unfelt(m, n, x, fvec, fjac, ldfjac, verdict) bind(c, name="find_unfelt_")
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(in) :: fjac(ldfjac, n) !! the Jacobian there
        integer(ip), intent(out) :: verdict(n) !! felt, lost or coarse

        real(wp) :: difference, eta, h
        integer(ip) :: i, j, stride, zeros, spacings
        logical :: large

        eta = sqrt(machine_precision)
        stride = max(1_ip, m/sample)
        do j = 1, n
            verdict(j) = lost
            if (fjac(1, j) == 0) then
                if (is_zero(m, fjac(1, j))) cycle
            end if
            h = merge(eta*abs(x(j)), eta, abs(x(j)) > 0)
            zeros = 0
            spacings = 0
            large = .false.
            do i = 1, m, stride
                difference = abs(h*fjac(i, j))
                if (difference == 0) then
                    zeros = zeros + 1
                else if (is_power_of_two(difference)) then
                    spacings = spacings + 1
                    large = large .or. difference >= 0.25_wp*single_precision*abs(fvec(i))
                else
                    exit
                end if
            end do
            verdict(j) = merge(coarse, felt, i > m .and. large .and. zeros > spacings)
        end do
    end subroutine find_unfelt

    !> Whether a vector is nothing but zeros, by a loop without a branch.
    pure logical function is_zero(m, column)
        integer(ip), intent(in) :: m !! components
        real(wp), intent(in) :: column(m)

        real(wp) :: highest
        integer(ip) :: i

        highest = 0
        do i = 1, m
            highest = max(highest, abs(column(i)))
        end do
        is_zero = highest <= 0
    end function is_zero

    !> Whether a number is a power of two, up to the rounding of a difference of double precision numbers.
    pure logical function is_power_of_two(number)
        real(wp), intent(in) :: number !! > 0

        real(wp) :: mantissa

        mantissa = fraction(number)
        is_power_of_two = min(mantissa - 0.5_wp, 1 - mantissa) <= 1.0e-6_wp
    end function is_power_of_two

    !> Whether steps that single precision can feel, in those parameters at once, change the residuals in
    !> another way than the short differences predict.
    !>
    !> They do where the short ones were lost. They don't where a parameter has no effect, or affects few
    !> residuals: this one evaluation tells them apart.
    recursive subroutine try_longer(fcn, m, n, x, fvec, fjac, ldfjac, verdict, contradicts, iflag, beside, moved)
        procedure(residual_function) :: fcn !! the residuals
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(in) :: fjac(ldfjac, n) !! the Jacobian there, by short differences
        integer(ip), intent(in) :: verdict(n) !! what to move: all but the parameters that are felt
        logical, intent(out) :: contradicts
        integer(ip), intent(inout) :: iflag !! passed to fcn; < 0 on return where fcn asked to stop
        real(wp), intent(out) :: beside(n), moved(m) !! scratch: the point to try, and what changes there

        integer(ip) :: j

        beside = x
        do j = 1, n
            if (verdict(j) == felt) cycle
            beside(j) = x(j) + sqrt(single_precision)*merge(abs(x(j)), 1.0_wp, abs(x(j)) > 0)
        end do
        call fcn(m, n, beside, moved, iflag)
        contradicts = .false.
        if (iflag >= 0) call contradicts_differences(m, n, x, fvec, fjac, ldfjac, verdict, beside, moved, contradicts)
    end subroutine try_longer

    !> Whether residuals at a point beside x are other than differences predict.
    pure subroutine contradicts_differences(m, n, x, fvec, fjac, ldfjac, verdict, beside, moved, contradicts)
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(in) :: fjac(ldfjac, n) !! the Jacobian there, by short differences
        integer(ip), intent(in) :: verdict(n) !! what find_unfelt says of it
        real(wp), intent(in) :: beside(n) !! the other point
        real(wp), intent(inout) :: moved(m) !! the residuals there; on return scratch
        logical, intent(out) :: contradicts

        real(wp) :: change
        integer(ip) :: j

        moved = moved - fvec
        change = enorm(m, moved)
        do j = 1, n
            if (verdict(j) == coarse) moved = moved - (beside(j) - x(j))*fjac(1:m, j)
        end do
        contradicts = enorm(m, moved) > contradiction*change
    end subroutine contradicts_differences

    !> Whether a fit ends where it began although the differences promised a reduction that rounding can't hide:
    !> then it is the differences that are wrong, not the start that is a minimum.
    pure logical function were_misleading(state)
        type(lm_state), intent(in) :: state !! at the end of a fit

        were_misleading = state%info /= info_running .and. state%info /= info_maxfev &
                          .and. state%iteration == 1 .and. state%wall == wall_none &
                          .and. state%prered > sqrt(machine_precision)
    end function were_misleading

end module minpack_unfelt
