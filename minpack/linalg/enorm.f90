!> Euclidean norms that neither overflow nor underflow on the way.
module minpack_enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: enorm, column_norms

    !> Components above the first and below the second, over n, are squared and summed as they are. MINPACK-1 has these
    !> limits for single and double precision alike; doubles would allow for 1e-146 and 1e154. Ten times more or less
    !> changes the last bit of norms with components beyond one of the two, and with it MINPACK's bits.
    real(wp), parameter :: dwarf = 3.834e-20_wp
    real(wp), parameter :: giant = 1.304e19_wp

contains

    !> ‖x‖₂ for any x whose norm is representable.
    !>
    !> Almost always every component is zero or well inside the range, and one running sum, without a branch
    !> in its loop, is the answer; the extremes met on the way tell whether it is.
    pure function enorm(n, x) result(norm) bind(c, name="enorm_")
        integer(ip), intent(in) :: n !! length of the vector
        real(wp), intent(in) :: x(n) !! the vector
        real(wp) :: norm

        real(wp) :: component, lowest, highest, total
        integer(ip) :: i

        total = 0
        lowest = 1
        highest = 0
        do i = 1, n
            component = abs(x(i))
            total = total + component*component
            highest = max(highest, component)
            lowest = min(lowest, merge(component, 1.0_wp, component > 0))
        end do
        if (is_ordinary(n, lowest, highest)) then
            norm = sqrt(total)
        else
            norm = scaled_norm(n, x)
        end if
    end function enorm

    !> The norms of the columns of a matrix, four columns at a time: each column's sum keeps its own order, and so its
    !> bits, while the four additions of a row don't wait for one another.
    pure subroutine column_norms(m, n, a, lda, norms)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(in) :: a(lda, n) !! the matrix
        real(wp), intent(out) :: norms(n) !! norms(j) = ‖a(1:m, j)‖₂

        integer(ip), parameter :: width = 4_ip !! columns at a time: changes the speed, and no bit
        real(wp) :: component(width), lowest(width), highest(width), total(width)
        integer(ip) :: i, j, k

        do j = 1, n - width + 1, width
            total = 0
            lowest = 1
            highest = 0
            do i = 1, m
                do k = 1, width
                    component(k) = abs(a(i, j + k - 1))
                    total(k) = total(k) + component(k)*component(k)
                    highest(k) = max(highest(k), component(k))
                    lowest(k) = min(lowest(k), merge(component(k), 1.0_wp, component(k) > 0))
                end do
            end do
            do k = 1, width
                if (is_ordinary(m, lowest(k), highest(k))) then
                    norms(j + k - 1) = sqrt(total(k))
                else
                    norms(j + k - 1) = scaled_norm(m, a(1, j + k - 1))
                end if
            end do
        end do
        do j = n - mod(n, width) + 1, n
            norms(j) = enorm(m, a(1, j))
        end do
    end subroutine column_norms

    !> Whether components can be squared and summed as they are.
    pure logical function is_ordinary(n, lowest, highest)
        integer(ip), intent(in) :: n !! how many components there are
        real(wp), intent(in) :: lowest !! size of the smallest that is not 0; 1 where there is none
        real(wp), intent(in) :: highest !! size of the largest; 0 where there is none

        is_ordinary = lowest > dwarf .and. highest < giant/real(n, wp)
    end function is_ordinary

    !> ‖x‖₂ by three sums, of the large, the ordinary and the small components, the first and the last
    !> relative to the largest among them.
    pure function scaled_norm(n, x) result(norm)
        integer(ip), intent(in) :: n !! length of the vector
        real(wp), intent(in) :: x(n) !! the vector
        real(wp) :: norm

        real(wp) :: component, limit, ordinary, large, largest_large, small, largest_small
        integer(ip) :: i

        limit = giant/real(n, wp)
        ordinary = 0
        large = 0
        largest_large = 0
        small = 0
        largest_small = 0
        do i = 1, n
            component = abs(x(i))
            if (component > dwarf .and. component < limit) then
                ordinary = ordinary + component*component
            else if (component <= dwarf) then
                if (component > 0) call add_scaled(component, small, largest_small)
            else
                call add_scaled(component, large, largest_large)
            end if
        end do

        if (large /= 0) then
            norm = largest_large*sqrt(large + (ordinary/largest_large)/largest_large)
        else if (ordinary == 0) then
            norm = largest_small*sqrt(small)
        else if (ordinary >= largest_small) then
            norm = sqrt(ordinary*(1 + (largest_small/ordinary)*(largest_small*small)))
        else
            norm = sqrt(largest_small*((ordinary/largest_small) + (largest_small*small)))
        end if
    end function scaled_norm

    !> Adds component² to a sum that is kept relative to the square of its largest component.
    pure subroutine add_scaled(component, total, largest)
        real(wp), intent(in) :: component !! > 0, or NaN
        real(wp), intent(inout) :: total !! Σ (component/largest)²
        real(wp), intent(inout) :: largest !! the largest component so far

        if (component > largest) then
            total = 1 + total*(largest/component)**2
            largest = component
        else
            total = total + (component/largest)**2
        end if
    end subroutine add_scaled

end module minpack_enorm
