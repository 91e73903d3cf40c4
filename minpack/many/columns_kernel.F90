!> Residuals and columns of Jacobians of many fits at once, the fit's number fastest in memory.
!>
!> A model gives an array of w fits by m points in one call; here it becomes residuals, or a column of each fit's Jacobian.
!> Jacobians lie by blocks of fits (`lanes`): jac(l, k, j, b) is the entry of point k and parameter j for the fit l of block b.
!> In such a block the factorization finds all that it needs in the nearest cache.
!>
!> This file is compiled for several instruction sets (minpack/meson.build). Every fit is computed by itself, operation by
!> operation, and nothing is fused: the results are the same to the bit in all of them, and whatever other fits there are.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    COLUMNS_MODULE
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: take_central, take_forward, take_given, take_residuals

    !> Fits of a block: two vectors of AVX2.
    integer(ip), parameter, public :: lanes = 8_ip

contains

    !> Residuals and their norms. Points of weight 0 do not count, whatever the model gives there.
    pure subroutine take_residuals(m, w, value, y, has_weights, weights, f, norms)
        integer(ip), intent(in) :: m, w !! points and fits
        real(wp), intent(in) :: value(w, m), y(w, m) !! the models and the data
        integer(ip), intent(in) :: has_weights !! 0 where every point counts alike
        real(wp), intent(in) :: weights(w, *) !! of the points, >= 0; not read unless has_weights
        real(wp), intent(out) :: f(w, m) !! the residuals
        real(wp), intent(out) :: norms(w) !! their norms; NaN or infinite where they are not finite, or overflow

        integer(ip) :: i, k

        norms = 0
        do k = 1, m
            if (has_weights == 0) then
                do i = 1, w
                    f(i, k) = value(i, k) - y(i, k)
                    norms(i) = norms(i) + f(i, k)*f(i, k)
                end do
            else
                do i = 1, w
                    f(i, k) = weighted(value(i, k), y(i, k), weights(i, k))
                    norms(i) = norms(i) + f(i, k)*f(i, k)
                end do
            end if
        end do
        norms = sqrt(norms)
    end subroutine take_residuals

    !> A column by forward differences.
    pure subroutine take_forward(m, n, w, j, moved, y, has_weights, weights, f, steps, jac)
        integer(ip), intent(in) :: m, n, w, j !! points, parameters, fits; which column
        real(wp), intent(in) :: moved(w, m), y(w, m) !! the models at the values beside x, and the data
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m) !! weights, and the residuals at x
        real(wp), intent(in) :: steps(w) !! what to divide by
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        integer(ip) :: b, i, k, l

        do b = 1, w/lanes
            do k = 1, m
                if (has_weights == 0) then
                    do l = 1, lanes
                        i = (b - 1)*lanes + l
                        jac(l, k, j, b) = ((moved(i, k) - y(i, k)) - f(i, k))/steps(i)
                    end do
                else
                    do l = 1, lanes
                        i = (b - 1)*lanes + l
                        jac(l, k, j, b) = (weighted(moved(i, k), y(i, k), weights(i, k)) - f(i, k))/steps(i)
                    end do
                end if
            end do
        end do
        do i = w/lanes*lanes + 1, w
            l = mod(i - 1, lanes) + 1
            b = w/lanes + 1
            do k = 1, m
                if (has_weights == 0) then
                    jac(l, k, j, b) = ((moved(i, k) - y(i, k)) - f(i, k))/steps(i)
                else
                    jac(l, k, j, b) = (weighted(moved(i, k), y(i, k), weights(i, k)) - f(i, k))/steps(i)
                end if
            end do
        end do
    end subroutine take_forward

    !> A column by central differences, and by how much residuals change and bend between the two values.
    pure subroutine take_central(m, n, w, j, near, far, y, has_weights, weights, f, steps, jac, change, bend)
        integer(ip), intent(in) :: m, n, w, j !! points, parameters, fits; which column
        real(wp), intent(in) :: near(w, m), far(w, m), y(w, m) !! the models at the values on both sides, and the data
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m) !! weights, and the residuals at x
        real(wp), intent(in) :: steps(w) !! the distance between the two values
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)
        real(wp), intent(out) :: change(w), bend(w) !! ‖f₊ - f₋‖, ‖f₊ - 2 f + f₋‖

        real(wp) :: one, other
        integer(ip) :: b, i, k, l

        change = 0
        bend = 0
        do b = 1, (w + lanes - 1)/lanes
            do k = 1, m
                do l = 1, min(lanes, w - (b - 1)*lanes)
                    i = (b - 1)*lanes + l
                    if (has_weights == 0) then
                        one = near(i, k) - y(i, k)
                        other = far(i, k) - y(i, k)
                    else
                        one = weighted(near(i, k), y(i, k), weights(i, k))
                        other = weighted(far(i, k), y(i, k), weights(i, k))
                    end if
                    change(i) = change(i) + (one - other)**2
                    bend(i) = bend(i) + ((one - f(i, k)) + (other - f(i, k)))**2
                    jac(l, k, j, b) = (one - other)/steps(i)
                end do
            end do
        end do
        change = sqrt(change)
        bend = sqrt(bend)
    end subroutine take_central

    !> A column that the caller's function gives.
    pure subroutine take_given(m, n, w, j, value, has_weights, weights, jac)
        integer(ip), intent(in) :: m, n, w, j !! points, parameters, fits; which column
        real(wp), intent(in) :: value(w, m) !! derivatives of the models
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *)
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        integer(ip) :: b, i, k, l

        do b = 1, (w + lanes - 1)/lanes
            do k = 1, m
                do l = 1, min(lanes, w - (b - 1)*lanes)
                    i = (b - 1)*lanes + l
                    jac(l, k, j, b) = value(i, k)
                    if (has_weights /= 0) jac(l, k, j, b) = weighted(value(i, k), 0.0_wp, weights(i, k))
                end do
            end do
        end do
    end subroutine take_given

    !> A residual.
    pure real(wp) function weighted(value, y, weight)
        real(wp), intent(in) :: value, y, weight !! model, datum, weight

        weighted = (value - y)*weight
        if (weight == 0) weighted = 0
    end function weighted

end module COLUMNS_MODULE
