!> Where residuals are evaluated for forward differences, within bounds.
module minpack_forward_steps
    use minpack_constants, only: machine_precision
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: forward_steps, inside, set_floors

    !> Differences see a parameter's effect to three digits where d_j |x_j| is this fraction of ‖f‖: a step of sqrt(ε) |x_j|
    !> then moves f by a thousand times its rounding.
    real(wp), parameter :: visible = 1.0e3_wp*sqrt(machine_precision)
    !> Least size of a parameter whose effect they don't see, in the same measure.
    real(wp), parameter :: least_weight = 0.1_wp

contains

    !> For each parameter a value beside its own, and how far that is.
    !>
    !> A step is η max(|x|, typical), with 1 in the place of a size of 0; with typical = 0 and bounds far off the step of
    !> fdjac2, to the bit. A step that leads out of the bounds is taken in the other direction, and where that leads out,
    !> too, as far as the farther bound.
    pure subroutine forward_steps(n, x, typical, eta, lower, upper, sizes, beside, lengths) bind(c, name="forward_steps_")
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where, within the bounds
        real(wp), intent(in) :: typical(n) !! least sizes of the parameters, >= 0
        real(wp), intent(in) :: eta(n) !! relative lengths of steps, not 0; where < 0 steps are backwards
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, lower < upper, infinite where there are none
        real(wp), intent(out) :: sizes(n) !! what steps are relative to
        real(wp), intent(out) :: beside(n) !! the other values
        real(wp), intent(out) :: lengths(n) !! what to divide differences by

        real(wp) :: h
        integer(ip) :: j

        do j = 1, n
            sizes(j) = max(abs(x(j)), typical(j))
            if (sizes(j) == 0) sizes(j) = 1
            h = eta(j)*sizes(j)
            if (h == 0) h = eta(j)
            beside(j) = x(j) + h
            lengths(j) = h
            if (beside(j) >= lower(j) .and. beside(j) <= upper(j)) cycle
            beside(j) = x(j) - h
            if (.not. (beside(j) >= lower(j) .and. beside(j) <= upper(j))) then
                beside(j) = merge(upper(j), lower(j), upper(j) - x(j) >= x(j) - lower(j))
            end if
            lengths(j) = beside(j) - x(j)
        end do
    end subroutine forward_steps

    !> Least sizes for parameters that have come so near to 0 that steps relative to them are lost in the rounding of f,
    !> whatever their units. Where a parameter is 0 steps are relative to 1, and stay so.
    pure subroutine set_floors(n, x, diag, fnorm, typical, low) bind(c, name="set_floors_")
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), diag(n) !! where, and the scale factors D: lengths of the columns of J
        real(wp), intent(in) :: fnorm !! ‖f‖
        real(wp), intent(inout) :: typical(n) !! least sizes
        integer(ip), intent(out) :: low !! 1 where there are such parameters, else 0: typical stays as it is

        integer(ip) :: j

        low = 0
        do j = 1, n
            if (x(j) == 0 .or. diag(j)*max(abs(x(j)), typical(j)) >= visible*fnorm) cycle
            low = 1
            typical(j) = least_weight*fnorm/diag(j)
        end do
    end subroutine set_floors

    !> A value, or where that is out of the bounds, its mirror image in x, or the bound beyond which that is.
    pure elemental function inside(value, x, lower, upper)
        real(wp), intent(in) :: value !! where one would like to be
        real(wp), intent(in) :: x !! where one is, within the bounds
        real(wp), intent(in) :: lower, upper !! the bounds
        real(wp) :: inside

        inside = value
        if (value < lower .or. value > upper) inside = min(max(2*x - value, lower), upper)
    end function inside

end module minpack_forward_steps
