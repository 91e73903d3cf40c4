!> Where residuals are evaluated for differences, within bounds.
module minpack_steps
    use minpack_constants, only: smallest_normal
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: central_steps, forward_steps, inside, pair_beside

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
            sizes(j) = size_of(x(j), typical(j))
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

    !> For each parameter two values beside its own: on either side, or both on the side that has room.
    pure subroutine central_steps(n, x, typical, eta, lower, upper, near, far)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where, within the bounds
        real(wp), intent(in) :: typical(n) !! least sizes of the parameters, >= 0
        real(wp), intent(in) :: eta(n) !! relative lengths of steps, not 0; their sign doesn't matter
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, lower < upper, infinite where there are none
        real(wp), intent(out) :: near(n), far(n) !! the other values; near may be x where a box holds no third number

        integer(ip) :: j

        do j = 1, n
            call pair_beside(x(j), abs(eta(j)*size_of(x(j), typical(j))), lower(j), upper(j), near(j), far(j))
        end do
    end subroutine central_steps

    !> Two values beside a parameter's own, by steps of length h, as central_steps has them.
    pure subroutine pair_beside(x, h, lower, upper, near, far)
        real(wp), intent(in) :: x, h, lower, upper !! the parameter, the length of the step, and the bounds
        real(wp), intent(out) :: near, far !! the values

        real(wp) :: room, side, step

        step = max(h, smallest_normal)
        near = x + step
        far = x - step
        if (near <= upper .and. far >= lower) return
        side = merge(1.0_wp, -1.0_wp, upper - x >= x - lower)
        room = min(step, max(upper - x, x - lower)/2)
        near = min(max(x + side*room, lower), upper)
        far = min(max(x + 2*side*room, lower), upper)
    end subroutine pair_beside

    !> What a step is relative to.
    elemental function size_of(x, typical) result(size)
        real(wp), intent(in) :: x, typical !! a parameter, and its least size
        real(wp) :: size

        size = max(abs(x), typical)
        if (size == 0) size = 1
    end function size_of

    !> A value, or where that is out of the bounds, its mirror image in x, or the bound beyond which that is.
    elemental function inside(value, x, lower, upper)
        real(wp), intent(in) :: value !! where one would like to be
        real(wp), intent(in) :: x !! where one is, within the bounds
        real(wp), intent(in) :: lower, upper !! the bounds
        real(wp) :: inside

        inside = value
        if (value < lower .or. value > upper) inside = min(max(2*x - value, lower), upper)
    end function inside

end module minpack_steps
