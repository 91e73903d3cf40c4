!> The kernel of the block-wise factorization: folds a block of rows into a triangle by Householder reflections.
!>
!> This file is compiled once for each instruction set, each time as a module of its own, FOLD_MODULE; minpack_choose
!> has the choice. Here alone multiplications and additions may be fused and sums be
!> taken in several parts: the last bits of a triangle depend on the instruction set, and on nothing else.
!>
!> A reflector is u = (u₁, ±x/ρ), with x a column of the block, α the diagonal entry of the triangle above it,
!> ρ = ‖(α, x)‖ and u₁ = 1 + |α|/ρ; H = I - u uᵀ/u₁ acts on one row of the triangle and on the block. As u has this
!> length whatever the units of its column are, no product with it overflows or underflows where what it is applied
!> to does not; only ρ itself needs care.
!>
!> Two reflectors are applied at a time, and to four columns at a time, so that each number that is read takes part
!> in several products (R. Schreiber, C. Van Loan, "A storage-efficient WY representation for products of Householder
!> transformations", SIAM J. Sci. Stat. Comput. 10 (1989)). The rows of the triangle that the two act on are different
!> ones, which leaves x₁ᵀx₂ as their only coupling. The reflectors of a panel of columns go over each group of four
!> in one go, while it is in the first-level cache.
!>
!> | here | Golub and Van Loan (2013), section 5.1 |
!> | --- | --- |
!> | α; x; ρ | x₁; x(2:m); ‖x‖ |
!> | u/u₁; u₁, whose inverse is `weight` | v; β |
!>
!> | here | Schreiber and Van Loan (1989) |
!> | --- | --- |
!> | the two u of a pair | the columns of Y |
!> | `weight` of both; their product with `coupling` | the diagonal of T; its upper entry, but for signs |
!>
!> Loops that could be one routine for the sum and one for the update stay together, because they read their columns
!> once: apart, a block of 3 to 31 columns takes 5 to 17 % longer.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    FOLD_MODULE
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: fold

    !> Columns whose reflectors are found before they are applied to what lies behind; even. Of 4, 8, 16 and 32, all
    !> alike up to 200 columns; at 500, 16 and 32 are fastest, by up to a tenth (AVX-512; panel and a group of four
    !> must fit in 48 KiB). It changes results by rounding.
    integer(ip), parameter :: panel = 16_ip
    !> Columns that share one read of a pair of reflectors: eight sums, which 16 registers hold beside what is read. It
    !> changes results by rounding.
    integer(ip), parameter :: width = 4_ip
    !> A sum of squares from here on has lost nothing that counts to underflow, which begins to matter at τ/ε = 2^-970. A
    !> smaller sum is taken again at another power of two, which changes no digit: so nor would ten times more or less.
    real(wp), parameter :: low = 2.0_wp**(-900)

    !> What is kept of each reflector beside x/ρ: the rows of the workspace.
    integer(ip), parameter :: head = 1_ip !! u₁; 0 where there is nothing to reflect
    integer(ip), parameter :: share = 2_ip !! 1; 0 likewise
    integer(ip), parameter :: weight = 3_ip !! 1/u₁; 0 likewise
    integer(ip), parameter :: coupling = 4_ip !! with the second of a pair: the product of the two x/ρ
    integer(ip), parameter :: kept = 4_ip !! how many rows there are

contains

    !> The triangle of [R; block]: R'ᵀ R' = Rᵀ R + blockᵀ block.
    !>
    !> A diagonal entry of R' has the sign opposite to that in R, negative where that is 0; a row for which the
    !> block has nothing left to reflect stays as it is. A column that isn't finite makes its column of the triangle,
    !> and perhaps some behind it, not finite; those before it are not touched by it.
    pure subroutine fold(rows, k, block, ldb, t, ldt, wa)
        integer(ip), intent(in) :: rows !! rows of the block, >= 0
        integer(ip), intent(in) :: k !! columns, and the order of the triangle
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
        real(wp), intent(inout) :: block(ldb, k) !! the rows; destroyed
        real(wp), intent(inout) :: t(ldt, k) !! Rᵀ: row j of R is t(j:k, j); above its diagonal t is not touched
        real(wp), intent(inout) :: wa(kept, k) !! scratch: 4 k numbers

        integer(ip) :: behind, first, last
        real(wp) :: factor

        if (rows <= 0) return
        do first = 1, k, panel
            last = min(first + panel - 1, k)
            behind = k - last
            call find_panel(rows, last - first + 1, behind > 0, ldb, block(1, first), ldt, t(first, first), &
                            wa(1, first))
            if (behind > 0) call apply_pairs(rows, panel, behind, ldb, block(1, first), block(1, last + 1), &
                                             wa(1, first), ldt, t(last + 1, first))
        end do
        if (mod(k, 2_ip) == 0) return
        call find_reflector(rows, sum_of_squares(rows, block(1, k)), block(1, k), t(k, k), factor, wa(1, k))
    end subroutine fold

    !> All reflectors of a panel, in pairs; the last of an odd number is left to do.
    pure subroutine find_panel(rows, columns, wanted, ldb, block, ldt, t, wa)
        integer(ip), intent(in) :: rows !! rows of the block
        integer(ip), intent(in) :: columns !! columns of the panel
        logical, intent(in) :: wanted !! whether there are columns behind it
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        real(wp), intent(inout) :: block(ldb, columns) !! the panel; on return ±x/ρ of each reflector
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
        real(wp), intent(inout) :: t(ldt, *) !! the rows of the triangle, from its diagonal on
        real(wp), intent(inout) :: wa(kept, columns) !! what is kept of the reflectors

        integer(ip) :: behind, j

        do j = 1, columns - 1, 2
            behind = columns - j - 1
            call find_pair(rows, wanted .or. behind > 0, block(1, j), block(1, j + 1), t(j, j), t(j + 1, j + 1), &
                           wa(1, j))
            if (behind > 0) call apply_pairs(rows, 2_ip, behind, ldb, block(1, j), block(1, j + 2), wa(1, j), &
                                             ldt, t(j + 2, j))
        end do
    end subroutine find_panel

    !> Two reflectors, from two columns that those before them have gone over.
    pure subroutine find_pair(rows, wanted, x, y, row, corner, wa)
        integer(ip), intent(in) :: rows !! rows of the block
        logical, intent(in) :: wanted !! whether there are columns behind, for the second to be applied to
        real(wp), intent(inout) :: x(rows), y(rows) !! the columns; on return ±x/ρ of each
        real(wp), intent(inout) :: row(2) !! the triangle's first row, in these columns
        real(wp), intent(inout) :: corner !! the diagonal entry of its second row
        real(wp), intent(inout) :: wa(kept, 2) !! what is kept of the two

        real(wp) :: dot, factor, multiple, total

        call find_reflector(rows, sum_of_squares(rows, x), x, row(1), factor, wa(1, 1))
        call scale_and_multiply(rows, factor, x, y, dot)
        multiple = wa(share, 1)*row(2) + wa(weight, 1)*dot
        row(2) = row(2) - wa(head, 1)*multiple
        call subtract_multiple(rows, multiple, x, y, total)
        call find_reflector(rows, total, y, corner, factor, wa(1, 2))
        if (wanted) call scale_and_multiply(rows, factor, y, x, wa(coupling, 2))
    end subroutine find_pair

    !> The reflector that turns (α, x) into a multiple of the first unit vector; x is left to be scaled.
    pure subroutine find_reflector(rows, squares, x, diagonal, factor, wa)
        integer(ip), intent(in) :: rows !! rows of the block
        real(wp), intent(in) :: squares !! the sum of the squares of x, as it came out
        real(wp), intent(inout) :: x(rows) !! the column; on return perhaps a multiple of it
        real(wp), intent(inout) :: diagonal !! α; on return ∓ρ
        real(wp), intent(out) :: factor !! what to multiply x by: ±1/ρ, or 0 where there is nothing to reflect
        real(wp), intent(inout) :: wa(kept) !! what is kept of the reflector

        real(wp) :: alpha, rho, total
        integer :: power
        logical :: is_ordinary

        alpha = diagonal
        total = squares
        power = 0
        is_ordinary = total + alpha*alpha >= low .and. total + alpha*alpha <= huge(total)
        if (.not. is_ordinary) call bring_to_size(rows, x, alpha, total, power)
        if (total == 0) then
            factor = 0
            wa = 0
            return
        end if
        rho = sqrt(total + alpha*alpha)
        factor = sign(1/rho, alpha)
        wa(head) = 1 + abs(alpha)/rho
        wa(share) = 1
        wa(weight) = 1/wa(head)
        if (power /= 0) rho = scale(rho, power)
        diagonal = -sign(rho, alpha)
    end subroutine find_reflector

    !> Divides α and x by a power of two that makes the largest of them about 1; nothing where one isn't finite.
    pure subroutine bring_to_size(rows, x, alpha, total, power)
        integer(ip), intent(in) :: rows !! rows of the block
        real(wp), intent(inout) :: x(rows) !! x
        real(wp), intent(inout) :: alpha !! α
        real(wp), intent(inout) :: total !! the sum of the squares of x, as it came out; on return that of what x is now
        integer, intent(out) :: power !! the exponent

        real(wp) :: peak
        integer(ip) :: i

        power = 0
        peak = abs(alpha)
        do i = 1, rows
            peak = max(peak, abs(x(i)))
        end do
        if (peak == 0 .or. .not. peak <= huge(peak)) return
        power = exponent(peak)
        alpha = scale(alpha, -power)
        do i = 1, rows
            x(i) = scale(x(i), -power)
        end do
        total = sum_of_squares(rows, x)
    end subroutine bring_to_size

    !> Applies reflectors, in pairs, to columns behind them: first to all groups of four, then to what is left.
    pure subroutine apply_pairs(rows, reflectors, columns, ldb, v, block, wa, ldt, t)
        integer(ip), intent(in) :: rows !! rows of the block
        integer(ip), intent(in) :: reflectors !! how many there are: an even number
        integer(ip), intent(in) :: columns !! how many to apply them to
        integer(ip), intent(in) :: ldb !! leading dimension of v and block, >= rows
        real(wp), intent(in) :: v(ldb, reflectors) !! ±x/ρ of each
        real(wp), intent(inout) :: block(ldb, columns) !! the columns
        real(wp), intent(in) :: wa(kept, reflectors) !! what is kept of the reflectors
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
        real(wp), intent(inout) :: t(ldt, reflectors) !! their rows of the triangle, in these columns

        integer(ip) :: c, j

        do c = 1, columns - width + 1, width
            do j = 1, reflectors, 2
                call apply_to_four(rows, v(1, j), v(1, j + 1), wa(1, j), ldb, block(1, c), t(c, j), t(c, j + 1))
            end do
        end do
        do c = columns - mod(columns, width) + 1, columns
            do j = 1, reflectors, 2
                call apply_to_one(rows, v(1, j), v(1, j + 1), wa(1, j), block(1, c), t(c, j), t(c, j + 1))
            end do
        end do
    end subroutine apply_pairs

    !> Applies a pair of reflectors to four columns.
    pure subroutine apply_to_four(rows, x, y, wa, ldb, block, p, q)
        integer(ip), intent(in) :: rows !! rows of the block
        real(wp), intent(in) :: x(rows), y(rows) !! ±x/ρ of each
        real(wp), intent(in) :: wa(kept, 2) !! what is kept of the two
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        real(wp), intent(inout) :: block(ldb, width) !! the columns
        real(wp), intent(inout) :: p(width), q(width) !! the two rows of the triangle, in these columns

        real(wp) :: x1, x2, x3, x4, y1, y2, y3, y4, with_x(width), with_y(width)
        integer(ip) :: i

        x1 = 0
        x2 = 0
        x3 = 0
        x4 = 0
        y1 = 0
        y2 = 0
        y3 = 0
        y4 = 0
        !$omp simd reduction(+: x1, x2, x3, x4, y1, y2, y3, y4)
        do i = 1, rows
            x1 = x1 + x(i)*block(i, 1)
            x2 = x2 + x(i)*block(i, 2)
            x3 = x3 + x(i)*block(i, 3)
            x4 = x4 + x(i)*block(i, 4)
            y1 = y1 + y(i)*block(i, 1)
            y2 = y2 + y(i)*block(i, 2)
            y3 = y3 + y(i)*block(i, 3)
            y4 = y4 + y(i)*block(i, 4)
        end do
        with_x = [x1, x2, x3, x4]
        with_y = [y1, y2, y3, y4]
        call apply_to_rows(width, wa, p, q, with_x, with_y)
        !$omp simd
        do i = 1, rows
            block(i, 1) = block(i, 1) - with_x(1)*x(i) - with_y(1)*y(i)
            block(i, 2) = block(i, 2) - with_x(2)*x(i) - with_y(2)*y(i)
            block(i, 3) = block(i, 3) - with_x(3)*x(i) - with_y(3)*y(i)
            block(i, 4) = block(i, 4) - with_x(4)*x(i) - with_y(4)*y(i)
        end do
    end subroutine apply_to_four

    !> Applies a pair of reflectors to one column.
    pure subroutine apply_to_one(rows, x, y, wa, b, p, q)
        integer(ip), intent(in) :: rows !! rows of the block
        real(wp), intent(in) :: x(rows), y(rows) !! ±x/ρ of each
        real(wp), intent(in) :: wa(kept, 2) !! what is kept of the two
        real(wp), intent(inout) :: b(rows) !! the column
        real(wp), intent(inout) :: p(1), q(1) !! the two rows of the triangle, in this column

        real(wp) :: x1, x2, x3, x4, y1, y2, y3, y4, with_x(1), with_y(1)
        integer(ip) :: i, quarter

        quarter = rows/4
        x1 = 0
        x2 = 0
        x3 = 0
        x4 = 0
        y1 = 0
        y2 = 0
        y3 = 0
        y4 = 0
        !$omp simd reduction(+: x1, x2, x3, x4, y1, y2, y3, y4)
        do i = 1, quarter
            x1 = x1 + x(i)*b(i)
            x2 = x2 + x(i + quarter)*b(i + quarter)
            x3 = x3 + x(i + 2*quarter)*b(i + 2*quarter)
            x4 = x4 + x(i + 3*quarter)*b(i + 3*quarter)
            y1 = y1 + y(i)*b(i)
            y2 = y2 + y(i + quarter)*b(i + quarter)
            y3 = y3 + y(i + 2*quarter)*b(i + 2*quarter)
            y4 = y4 + y(i + 3*quarter)*b(i + 3*quarter)
        end do
        do i = 4*quarter + 1, rows
            x1 = x1 + x(i)*b(i)
            y1 = y1 + y(i)*b(i)
        end do
        with_x = (x1 + x2) + (x3 + x4)
        with_y = (y1 + y2) + (y3 + y4)
        call apply_to_rows(1_ip, wa, p, q, with_x, with_y)
        !$omp simd
        do i = 1, rows
            b(i) = b(i) - with_x(1)*x(i) - with_y(1)*y(i)
        end do
    end subroutine apply_to_one

    !> Applies a pair of reflectors to the triangle; what were products with columns become the multiples to subtract.
    pure subroutine apply_to_rows(columns, wa, p, q, with_x, with_y)
        integer(ip), intent(in) :: columns !! how many columns
        real(wp), intent(in) :: wa(kept, 2) !! what is kept of the two
        real(wp), intent(inout) :: p(columns), q(columns) !! the two rows of the triangle, in these columns
        real(wp), intent(inout) :: with_x(columns), with_y(columns) !! products with x/ρ; on return the multiples

        integer(ip) :: c

        do c = 1, columns
            with_x(c) = wa(share, 1)*p(c) + wa(weight, 1)*with_x(c)
            with_y(c) = wa(share, 2)*q(c) + wa(weight, 2)*(with_y(c) - wa(coupling, 2)*with_x(c))
            p(c) = p(c) - wa(head, 1)*with_x(c)
            q(c) = q(c) - wa(head, 2)*with_y(c)
        end do
    end subroutine apply_to_rows

    !> xᵀx. This sum, and the other ones that belong to one column, are taken in four parts, whose additions don't wait
    !> for one another.
    pure function sum_of_squares(rows, x) result(total)
        integer(ip), intent(in) :: rows !! length of the vector
        real(wp), intent(in) :: x(rows) !! the vector
        real(wp) :: total

        real(wp) :: sum1, sum2, sum3, sum4
        integer(ip) :: i, quarter

        quarter = rows/4
        sum1 = 0
        sum2 = 0
        sum3 = 0
        sum4 = 0
        !$omp simd reduction(+: sum1, sum2, sum3, sum4)
        do i = 1, quarter
            sum1 = sum1 + x(i)*x(i)
            sum2 = sum2 + x(i + quarter)*x(i + quarter)
            sum3 = sum3 + x(i + 2*quarter)*x(i + 2*quarter)
            sum4 = sum4 + x(i + 3*quarter)*x(i + 3*quarter)
        end do
        do i = 4*quarter + 1, rows
            sum1 = sum1 + x(i)*x(i)
        end do
        total = (sum1 + sum2) + (sum3 + sum4)
    end function sum_of_squares

    !> x <- factor x, and then xᵀy.
    pure subroutine scale_and_multiply(rows, factor, x, y, product)
        integer(ip), intent(in) :: rows !! length of both vectors
        real(wp), intent(in) :: factor !! the multiple
        real(wp), intent(inout) :: x(rows) !! the vector to scale
        real(wp), intent(in) :: y(rows) !! the other
        real(wp), intent(out) :: product !! xᵀy

        real(wp) :: sum1, sum2, sum3, sum4
        integer(ip) :: i, quarter

        quarter = rows/4
        sum1 = 0
        sum2 = 0
        sum3 = 0
        sum4 = 0
        !$omp simd reduction(+: sum1, sum2, sum3, sum4)
        do i = 1, quarter
            x(i) = factor*x(i)
            x(i + quarter) = factor*x(i + quarter)
            x(i + 2*quarter) = factor*x(i + 2*quarter)
            x(i + 3*quarter) = factor*x(i + 3*quarter)
            sum1 = sum1 + x(i)*y(i)
            sum2 = sum2 + x(i + quarter)*y(i + quarter)
            sum3 = sum3 + x(i + 2*quarter)*y(i + 2*quarter)
            sum4 = sum4 + x(i + 3*quarter)*y(i + 3*quarter)
        end do
        do i = 4*quarter + 1, rows
            x(i) = factor*x(i)
            sum1 = sum1 + x(i)*y(i)
        end do
        product = (sum1 + sum2) + (sum3 + sum4)
    end subroutine scale_and_multiply

    !> y <- y - multiple x, and then yᵀy.
    pure subroutine subtract_multiple(rows, multiple, x, y, total)
        integer(ip), intent(in) :: rows !! length of both vectors
        real(wp), intent(in) :: multiple !! of x
        real(wp), intent(in) :: x(rows) !! what to subtract
        real(wp), intent(inout) :: y(rows) !! from what
        real(wp), intent(out) :: total !! yᵀy afterwards

        real(wp) :: sum1, sum2, sum3, sum4
        integer(ip) :: i, quarter

        quarter = rows/4
        sum1 = 0
        sum2 = 0
        sum3 = 0
        sum4 = 0
        !$omp simd reduction(+: sum1, sum2, sum3, sum4)
        do i = 1, quarter
            y(i) = y(i) - multiple*x(i)
            y(i + quarter) = y(i + quarter) - multiple*x(i + quarter)
            y(i + 2*quarter) = y(i + 2*quarter) - multiple*x(i + 2*quarter)
            y(i + 3*quarter) = y(i + 3*quarter) - multiple*x(i + 3*quarter)
            sum1 = sum1 + y(i)*y(i)
            sum2 = sum2 + y(i + quarter)*y(i + quarter)
            sum3 = sum3 + y(i + 2*quarter)*y(i + 2*quarter)
            sum4 = sum4 + y(i + 3*quarter)*y(i + 3*quarter)
        end do
        do i = 4*quarter + 1, rows
            y(i) = y(i) - multiple*x(i)
            sum1 = sum1 + y(i)*y(i)
        end do
        total = (sum1 + sum2) + (sum3 + sum4)
    end subroutine subtract_multiple

end module FOLD_MODULE
