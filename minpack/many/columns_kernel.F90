!> Residuals and columns of Jacobians of many fits at once, the fit's number fastest in memory.
!>
!> A model gives an array of w fits by m points in one call; here it becomes residuals, or a column of each fit's Jacobian.
!> Jacobians lie by blocks of fits (`lanes`): jac(l, k, j, b) is the entry of point k and parameter j for the fit l of block b;
!> and in the column behind the last parameter are the residuals.
!> In such a block the factorization finds all that it needs in the nearest cache.
!>
!> This file is compiled for several instruction sets (minpack/meson.build). Every fit is computed by itself, operation by
!> operation, and nothing is fused: the results are the same to the bit in all of them, and whatever other fits there are.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    COLUMNS_MODULE
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: take_beside, take_central, take_forward, take_given, take_residuals

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

    !> Columns of Jacobians by forward differences.
    pure subroutine take_forward(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac)
        integer(ip), intent(in) :: m, n, w !! points, parameters, fits
        integer(ip), intent(in) :: before, columns !! how many columns lie before the first of these, and how many there are
        real(wp), intent(in) :: moved(w, columns, m) !! the models where one parameter has the value beside x
        real(wp), intent(in) :: y(w, m) !! the data
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m) !! weights, and the residuals at x
        real(wp), intent(in) :: steps(w, n) !! what to divide by
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        real(wp) :: inverse(lanes)
        integer(ip) :: b, c, i, j, k, l, last

        do b = 1, (w + lanes - 1)/lanes
            i = (b - 1)*lanes
            last = min(lanes, w - i)
            if (before == 0) call put_residuals(m, w, i, last, f, jac(1, 1, n + 1, b))
            do j = before + 1, before + columns
                c = j - before
                inverse(:last) = 1/steps(i + 1:i + last, j)
                do k = 1, m
                    if (last < lanes .or. has_weights /= 0) then
                        do l = 1, last
                            jac(l, k, j, b) = moved(i + l, c, k) - y(i + l, k)
                            if (has_weights /= 0) jac(l, k, j, b) = weighted(moved(i + l, c, k), y(i + l, k), weights(i + l, k))
                            jac(l, k, j, b) = (jac(l, k, j, b) - f(i + l, k))*inverse(l)
                        end do
                    else
                        do l = 1, lanes
                            jac(l, k, j, b) = ((moved(i + l, c, k) - y(i + l, k)) - f(i + l, k))*inverse(l)
                        end do
                    end if
                end do
            end do
        end do
    end subroutine take_forward

    !> Columns of Jacobians by central differences, and by how much residuals change and bend between the two values.
    pure subroutine take_central(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac, change, bend)
        integer(ip), intent(in) :: m, n, w, before, columns !! as above
        real(wp), intent(in) :: moved(w, columns, 2, m) !! the models where one parameter has the values on both sides
        real(wp), intent(in) :: y(w, m) !! the data
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m) !! weights, and the residuals at x
        real(wp), intent(in) :: steps(w, n) !! the distance between the two values
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)
        real(wp), intent(inout) :: change(w, n), bend(w, n) !! ‖f₊ - f₋‖, ‖f₊ - 2 f + f₋‖

        real(wp) :: one(lanes), other(lanes), sums(lanes), bends(lanes), inverse(lanes)
        integer(ip) :: b, c, i, j, k, l, last

        do b = 1, (w + lanes - 1)/lanes
            i = (b - 1)*lanes
            last = min(lanes, w - i)
            if (before == 0) call put_residuals(m, w, i, last, f, jac(1, 1, n + 1, b))
            one = 0
            other = 0
            do j = before + 1, before + columns
                c = j - before
                sums = 0
                bends = 0
                inverse = 0
                inverse(:last) = 1/steps(i + 1:i + last, j)
                do k = 1, m
                    if (last < lanes .or. has_weights /= 0) then
                        do l = 1, last
                            one(l) = moved(i + l, c, 1, k) - y(i + l, k)
                            other(l) = moved(i + l, c, 2, k) - y(i + l, k)
                            if (has_weights == 0) cycle
                            one(l) = weighted(moved(i + l, c, 1, k), y(i + l, k), weights(i + l, k))
                            other(l) = weighted(moved(i + l, c, 2, k), y(i + l, k), weights(i + l, k))
                        end do
                        do l = 1, last
                            sums(l) = sums(l) + (one(l) - other(l))**2
                            bends(l) = bends(l) + ((one(l) - f(i + l, k)) + (other(l) - f(i + l, k)))**2
                            jac(l, k, j, b) = (one(l) - other(l))*inverse(l)
                        end do
                    else
                        do l = 1, lanes
                            one(l) = moved(i + l, c, 1, k) - y(i + l, k)
                            other(l) = moved(i + l, c, 2, k) - y(i + l, k)
                            sums(l) = sums(l) + (one(l) - other(l))**2
                            bends(l) = bends(l) + ((one(l) - f(i + l, k)) + (other(l) - f(i + l, k)))**2
                            jac(l, k, j, b) = (one(l) - other(l))*inverse(l)
                        end do
                    end if
                end do
                change(i + 1:i + last, j) = sqrt(sums(:last))
                bend(i + 1:i + last, j) = sqrt(bends(:last))
            end do
        end do
    end subroutine take_central

    !> The Jacobians that the caller's function gives, however it lays them out.
    pure subroutine take_given(m, n, w, value, by_point, by_column, by_fit, has_weights, weights, f, jac)
        integer(ip), intent(in) :: m, n, w !! points, parameters, fits
        real(wp), intent(in) :: value(*) !! derivatives of the models
        integer(ip), intent(in) :: by_point, by_column, by_fit !! how far apart these are in it
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m)
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        integer(ip) :: at, b, i, j, k, l, last

        do b = 1, (w + lanes - 1)/lanes
            i = (b - 1)*lanes
            last = min(lanes, w - i)
            call put_residuals(m, w, i, last, f, jac(1, 1, n + 1, b))
            do j = 1, n
                do k = 1, m
                    at = (k - 1)*by_point + (j - 1)*by_column + i*by_fit
                    if (by_fit == 1 .and. last == lanes) then
                        do l = 1, lanes
                            jac(l, k, j, b) = value(at + l)
                        end do
                    else
                        do l = 1, last
                            jac(l, k, j, b) = value(at + (l - 1)*by_fit + 1)
                        end do
                    end if
                    if (has_weights == 0) cycle
                    do l = 1, last
                        jac(l, k, j, b) = weighted(jac(l, k, j, b), 0.0_wp, weights(i + l, k))
                    end do
                end do
            end do
        end do
    end subroutine take_given

    !> How residuals change along a step, and by how much Jacobians are wrong about it.
    pure subroutine take_beside(m, n, w, value, y, has_weights, weights, f, steps, jac, change, wrong)
        integer(ip), intent(in) :: m, n, w !! points, parameters, fits
        real(wp), intent(in) :: value(w, m), y(w, m) !! the models where the step leads, and the data
        integer(ip), intent(in) :: has_weights !! as above
        real(wp), intent(in) :: weights(w, *), f(w, m) !! weights, and the residuals at x
        real(wp), intent(in) :: steps(w, n)
        real(wp), intent(in) :: jac(lanes, m, n + 1, *)
        real(wp), intent(out) :: change(w), wrong(w) !! ‖f₊ - f‖, ‖f₊ - f - J step‖

        real(wp) :: by, rest
        integer(ip) :: b, i, j, k, l

        change = 0
        wrong = 0
        do b = 1, (w + lanes - 1)/lanes
            do k = 1, m
                do l = 1, min(lanes, w - (b - 1)*lanes)
                    i = (b - 1)*lanes + l
                    if (has_weights == 0) then
                        by = (value(i, k) - y(i, k)) - f(i, k)
                    else
                        by = weighted(value(i, k), y(i, k), weights(i, k)) - f(i, k)
                    end if
                    rest = by
                    do j = 1, n
                        rest = rest - jac(l, k, j, b)*steps(i, j)
                    end do
                    change(i) = change(i) + by**2
                    wrong(i) = wrong(i) + rest**2
                end do
            end do
        end do
        change = sqrt(change)
        wrong = sqrt(wrong)
    end subroutine take_beside

    !> The residuals of a block of fits in the column behind their Jacobians, as the factorization wants them.
    pure subroutine put_residuals(m, w, i, last, f, column)
        integer(ip), intent(in) :: m, w, i, last !! points, fits, how many of these come before the block, and how many are in it
        real(wp), intent(in) :: f(w, m)
        real(wp), intent(inout) :: column(lanes, m)

        integer(ip) :: k

        do k = 1, m
            if (last == lanes) then
                column(:, k) = f(i + 1:i + lanes, k)
            else
                column(:last, k) = f(i + 1:i + last, k)
            end if
        end do
    end subroutine put_residuals

    !> A residual.
    pure real(wp) function weighted(value, y, weight)
        real(wp), intent(in) :: value, y, weight !! model, datum, weight

        weighted = (value - y)*weight
        if (weight == 0) weighted = 0
    end function weighted

end module COLUMNS_MODULE
