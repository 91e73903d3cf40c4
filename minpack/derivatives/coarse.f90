!> Differences that are too short for the precision that residuals are really computed in.
module minpack_coarse
    use minpack_constants, only: machine_precision
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: single_precision
    use minpack_kinds, only: ip, wp
    use minpack_steps, only: inside
    implicit none
    private
    public :: contradicts, find_coarse, longer_point

    !> Entries of a column that are looked at, evenly spread. A hundred do as well on the standard problems.
    integer(ip), parameter :: sample = 1000_ip
    !> A change of a residual that is a power of two may be the spacing of single precision numbers where it is no smaller than
    !> this part of that. A false alarm costs one evaluation.
    real(wp), parameter :: least_spacing = 0.25_wp*single_precision
    !> A mantissa this close to that of a power of two is one, but for the rounding of a difference.
    real(wp), parameter :: rounding = 1.0e-6_wp
    !> A longer step contradicts the differences where it is off what they predict by this fraction of itself. Truncation makes
    !> that some 1e-4, steps that were lost 1.
    real(wp), parameter :: contradiction = 0.5_wp

    ! What find_coarse finds of a column of differences:
    integer(ip), parameter, public :: fine = 0_ip !! it looks right
    integer(ip), parameter, public :: lost = 1_ip !! it is zeros
    integer(ip), parameter, public :: coarse = 2_ip !! it is zeros and single precision rounding

contains

    !> Which columns of a Jacobian by differences are zero, or look as if the residuals were rounded to single precision.
    !>
    !> A difference of 1e-8 x is lost in such residuals: the column comes out as zeros, but for some that lay near
    !> to a rounding boundary and changed by the spacing of single precision numbers there, a power of two. In
    !> some rows at least that is more than the rounding of double precision explains.
    pure subroutine find_coarse(m, n, sizes, fvec, fjac, verdict) bind(c, name="find_coarse_")
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: sizes(n) !! what the steps were relative to, > 0
        real(wp), intent(in) :: fvec(m) !! the residuals
        real(wp), intent(in) :: fjac(m, n) !! the Jacobian, by steps of sqrt(ε) times the sizes
        integer(ip), intent(out) :: verdict(n) !! fine, lost or coarse

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
            h = eta*sizes(j)
            zeros = 0
            spacings = 0
            large = .false.
            do i = 1, m, stride
                difference = abs(h*fjac(i, j))
                if (difference == 0) then
                    zeros = zeros + 1
                else if (is_power_of_two(difference)) then
                    spacings = spacings + 1
                    large = large .or. difference >= least_spacing*abs(fvec(i))
                else
                    exit
                end if
            end do
            verdict(j) = merge(coarse, fine, i > m .and. large .and. zeros > spacings)
        end do
    end subroutine find_coarse

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
        is_power_of_two = min(mantissa - 0.5_wp, 1 - mantissa) <= rounding
    end function is_power_of_two

    !> A point beside x that single precision can feel: longer steps in those parameters at once whose columns don't look right.
    !>
    !> Where the short steps were lost, residuals change there in another way than the differences predict. They don't where a
    !> parameter has no effect, or affects few residuals: this one evaluation tells them apart.
    pure subroutine longer_point(n, x, sizes, verdict, lower, upper, point) bind(c, name="longer_point_")
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), sizes(n) !! where, and what steps are relative to
        integer(ip), intent(in) :: verdict(n) !! what find_coarse says
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, infinite where there are none
        real(wp), intent(out) :: point(n)

        point = merge(x, inside(x + sqrt(single_precision)*sizes, x, lower, upper), verdict == fine)
    end subroutine longer_point

    !> Whether residuals at a point beside x are other than differences predict: not 0 where they are.
    pure subroutine contradicts(m, n, x, fvec, fjac, verdict, point, moved, answer) bind(c, name="contradicts_")
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), fvec(m) !! a point, and the residuals there
        real(wp), intent(in) :: fjac(m, n) !! the Jacobian there, by short differences
        integer(ip), intent(in) :: verdict(n) !! what find_coarse says of it
        real(wp), intent(in) :: point(n) !! the other point
        real(wp), intent(inout) :: moved(m) !! the residuals there; on return scratch
        integer(ip), intent(out) :: answer

        real(wp) :: change
        integer(ip) :: j

        moved = moved - fvec
        change = enorm(m, moved)
        do j = 1, n
            if (verdict(j) == coarse) moved = moved - (point(j) - x(j))*fjac(:, j)
        end do
        answer = merge(1_ip, 0_ip, enorm(m, moved) > contradiction*change)
    end subroutine contradicts

end module minpack_coarse
