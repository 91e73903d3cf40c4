!> Factorization of many fits at once, one fit to each lane of a vector.
!>
!> What qrfac does for one fit is done here for `lanes` fits side by side, without pivoting: modified Gram-Schmidt of [J f],
!> which is as stable for least squares as Householder's reflections (Björck (1967)). Fits whose columns are nearly dependent
!> go alone: see factor_many.f90.
!>
!> Triangles are packed by columns: R(i, j) is r(:, i + j (j - 1)/2).
!>
!> This file is compiled for several instruction sets (minpack/meson.build). Every fit is computed by itself, operation by
!> operation, and nothing is fused: the results are the same to the bit in all of them, and whatever other fits there are.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    FACTOR_MODULE
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: factor_across

    integer(ip), parameter :: lanes = 8_ip !! fits of a block, as in columns_kernel.F90

contains

    !> R and Qᵀf of a block of fits; and what they say at once.
    pure subroutine factor_across(m, n, a, r, qtf, norms, cosine, sine)
        integer(ip), intent(in) :: m, n !! points and parameters
        real(wp), intent(inout) :: a(lanes, m, n + 1) !! J, and f in the last column; destroyed
        real(wp), intent(out) :: r(lanes, *), qtf(lanes, n) !! R, its diagonal > 0; first n entries of Qᵀf
        real(wp), intent(out) :: norms(lanes, n) !! norms of the columns of J
        real(wp), intent(out) :: cosine(lanes) !! max |column · f|/‖column‖
        real(wp), intent(out) :: sine(lanes) !! the least sine of the angle between a column and those before; NaN if not finite

        real(wp) :: square(lanes), part(lanes), other(lanes)
        integer(ip) :: c, i, j, l

        do j = 1, n
            call product(m, a(1, 1, j), a(1, 1, j), square)
            r(:, at(j, j)) = sqrt(square)
            do c = j + 1, n, 2
                if (c + 1 > n) exit
                call two_products(m, a(1, 1, j), a(1, 1, c), a(1, 1, c + 1), part, other)
                r(:, at(j, c)) = part/r(:, at(j, j))
                r(:, at(j, c + 1)) = other/r(:, at(j, j))
                part = part/square
                other = other/square
                call subtract_two(m, a(1, 1, j), part, other, a(1, 1, c), a(1, 1, c + 1))
            end do
            if (mod(n - j, 2_ip) == 1) then
                call two_products(m, a(1, 1, j), a(1, 1, n), a(1, 1, n + 1), part, other)
                r(:, at(j, n)) = part/r(:, at(j, j))
                qtf(:, j) = other/r(:, at(j, j))
                part = part/square
                other = other/square
                call subtract_two(m, a(1, 1, j), part, other, a(1, 1, n), a(1, 1, n + 1))
            else
                call product(m, a(1, 1, j), a(1, 1, n + 1), part)
                qtf(:, j) = part/r(:, at(j, j))
                part = part/square
                if (j < n) call subtract(m, a(1, 1, j), part, a(1, 1, n + 1))
            end if
        end do

        cosine = 0
        sine = 1
        do j = 1, n
            square = 0
            part = 0
            do i = 1, j
                square = square + r(:, at(i, j))**2
                part = part + r(:, at(i, j))*qtf(:, i)
            end do
            norms(:, j) = sqrt(square)
            do l = 1, lanes
                cosine(l) = max(cosine(l), abs(part(l))/norms(l, j))
                other(l) = r(l, at(j, j))/norms(l, j)
                if (.not. other(l) >= sine(l)) sine(l) = other(l)
            end do
        end do
    end subroutine factor_across

    !> The place of R(i, j).
    pure integer(ip) function at(i, j)
        integer(ip), intent(in) :: i, j

        at = i + j*(j - 1)/2
    end function at

    ! Sums over the points, one for each fit; a compiler keeps them in registers.

    pure subroutine product(m, a, b, sums)
        integer(ip), intent(in) :: m
        real(wp), intent(in) :: a(lanes, m), b(lanes, m)
        real(wp), intent(out) :: sums(lanes)

        real(wp) :: total(lanes)
        integer(ip) :: k, l

        total = 0
        do k = 1, m
            !$omp simd
            do l = 1, lanes
                total(l) = total(l) + a(l, k)*b(l, k)
            end do
        end do
        sums = total
    end subroutine product

    pure subroutine two_products(m, a, b, c, sums, others)
        integer(ip), intent(in) :: m
        real(wp), intent(in) :: a(lanes, m), b(lanes, m), c(lanes, m)
        real(wp), intent(out) :: sums(lanes), others(lanes)

        real(wp) :: one(lanes), two(lanes)
        integer(ip) :: k, l

        one = 0
        two = 0
        do k = 1, m
            !$omp simd
            do l = 1, lanes
                one(l) = one(l) + a(l, k)*b(l, k)
                two(l) = two(l) + a(l, k)*c(l, k)
            end do
        end do
        sums = one
        others = two
    end subroutine two_products

    pure subroutine subtract(m, a, factors, b)
        integer(ip), intent(in) :: m
        real(wp), intent(in) :: a(lanes, m), factors(lanes)
        real(wp), intent(inout) :: b(lanes, m)

        integer(ip) :: k, l

        do k = 1, m
            !$omp simd
            do l = 1, lanes
                b(l, k) = b(l, k) - factors(l)*a(l, k)
            end do
        end do
    end subroutine subtract

    pure subroutine subtract_two(m, a, factors, others, b, c)
        integer(ip), intent(in) :: m
        real(wp), intent(in) :: a(lanes, m), factors(lanes), others(lanes)
        real(wp), intent(inout) :: b(lanes, m), c(lanes, m)

        integer(ip) :: k, l

        do k = 1, m
            !$omp simd
            do l = 1, lanes
                b(l, k) = b(l, k) - factors(l)*a(l, k)
                c(l, k) = c(l, k) - others(l)*a(l, k)
            end do
        end do
    end subroutine subtract_two

end module FACTOR_MODULE
