!> Where to look, beside a point, whether residuals change as a Jacobian says, in whatever units.
module minpack_beside
    use minpack_constants, only: largest, machine_precision
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: agrees_beside, beside, golden, least_weight, lengths_beside, point_beside, suspicious

    !> How far to go, relative to the sizes of parameters: rounding and curvature are then both far below what is suspicious.
    real(wp), parameter :: beside = 1.0e-6_wp
    !> A parameter's size is no less than this part of what changes the residuals by as much as they were at the start, but no more
    !> than `farthest` times its own; those that then weigh less than `least_share` of the others are not felt.
    real(wp), parameter :: least_weight = 0.1_wp, farthest = 1.0e3_wp, least_share = 1.0e-3_wp
    !> A step of fewer roundings of x is none.
    real(wp), parameter :: roundings = 10.0_wp
    !> A change of the residuals that is off by this part of itself is reason enough to compare the Jacobian with differences.
    real(wp), parameter :: suspicious = 1.0e-4_wp
    !> Parameters go by unlike amounts, lest errors make up for one another: multiples of the golden section, which never meet.
    real(wp), parameter :: golden = 0.618_wp

contains

    !> How far to go along each parameter; 0 along those that the residuals don't feel, by the Jacobian.
    !>
    !> A parameter's size is its own, or how far the fit has moved it; but no more than what changes the residuals by as much as they
    !> were at the start, as the Jacobian has it, and not much less.
    pure subroutine lengths_beside(n, x, start, norms, highest, precision, lengths) bind(c, name="lengths_beside_")
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where the fit is
        real(wp), intent(in) :: start(n) !! where it began
        real(wp), intent(in) :: norms(n) !! of the Jacobian's columns
        real(wp), intent(in) :: highest !! ‖f‖ at the start, above 0
        real(wp), intent(in) :: precision !! relative error of the residuals
        real(wp), intent(out) :: lengths(n)

        real(wp) :: natural, own, size, heaviest
        integer(ip) :: j

        heaviest = 0
        do j = 1, n
            natural = highest/norms(j)
            own = max(abs(x(j)), abs(x(j) - start(j)))
            size = natural
            if (own > 0) size = min(max(own, min(least_weight*natural, farthest*own)), natural)
            ! Rounding of the residuals and of the parameter, and curvature, are then alike.
            lengths(j) = max(beside*size, sqrt(precision*max(natural, abs(x(j)))*size))
            if (lengths(j)*norms(j) <= largest) heaviest = max(heaviest, lengths(j)*norms(j))
        end do
        do j = 1, n
            if (.not. (lengths(j)*norms(j) > least_share*heaviest .and. lengths(j)*norms(j) <= largest &
                       .and. lengths(j) > roundings*machine_precision*abs(x(j)))) lengths(j) = 0
        end do
    end subroutine lengths_beside

    !> A point so far from x; on the other side where it is out of the bounds, or where both are, at the farther bound.
    !>
    !> A parameter goes back towards its start, or where it is still there away from 0, lest it leave where the residuals are
    !> defined.
    pure subroutine point_beside(n, x, start, lengths, unlike, lower, upper, point) bind(c, name="point_beside_")
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where the fit is, within the bounds
        real(wp), intent(in) :: start(n) !! where it began
        real(wp), intent(in) :: lengths(n) !! how far, >= 0
        integer(ip), intent(in) :: unlike !! not 0: by unlike parts of these
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, infinite where there are none
        real(wp), intent(out) :: point(n)

        real(wp) :: step, way
        integer(ip) :: j

        do j = 1, n
            way = merge(x(j), start(j) - x(j), start(j) == x(j))
            step = lengths(j)
            if (unlike /= 0) step = step*(1 - 0.5_wp*modulo(golden*(j - 1), 1.0_wp))
            step = sign(step, way)
            if (step < lower(j) - x(j) .or. step > upper(j) - x(j)) step = -step
            if (step < lower(j) - x(j) .or. step > upper(j) - x(j)) then
                step = merge(upper(j) - x(j), lower(j) - x(j), upper(j) - x(j) >= x(j) - lower(j))
            end if
            point(j) = min(max(x(j) + step, lower(j)), upper(j))
        end do
    end subroutine point_beside

    !> Whether residuals change along a step as the Jacobian says, but for an error.
    pure subroutine agrees_beside(m, n, error, step, norms, change, wa, agrees) bind(c, name="agrees_beside_")
        integer(ip), intent(in) :: m !! residuals
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: error(m) !! by how much the change is not what the Jacobian says
        real(wp), intent(in) :: step(n)
        real(wp), intent(in) :: norms(n) !! of the Jacobian's columns
        real(wp), intent(in) :: change(m) !! of the residuals along the step
        real(wp), intent(out) :: wa(n) !! scratch
        integer(ip), intent(out) :: agrees !! 0 or 1

        wa = step*norms
        agrees = merge(1_ip, 0_ip, enorm(m, error) <= suspicious*max(enorm(n, wa), enorm(m, change)))
    end subroutine agrees_beside

end module minpack_beside
