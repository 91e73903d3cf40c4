!> Which of the compiled kernels does the inner loops of wide problems: as fold.F90, and set along with it.
module minpack_wide
    use minpack_constants, only: longest_row, rows_at_once
    use minpack_kinds, only: ip, wp
#ifdef FOLD_LEVELS
    use minpack_wide_v3, only: multiply_columns_v3 => multiply_columns, reflect_rows_v3 => reflect_rows, &
                               subtract_product_v3 => subtract_product
    use minpack_wide_v4, only: multiply_columns_v4 => multiply_columns, reflect_rows_v4 => reflect_rows, &
                               subtract_product_v4 => subtract_product
#endif
    use minpack_fold, only: fold_level_plain, fold_level_v3, fold_level_v4
    use minpack_wide_plain, only: multiply_columns_plain => multiply_columns, reflect_rows_plain => reflect_rows, &
                                  subtract_product_plain => subtract_product
    implicit none
    private
    public :: minpack_wide_choose

    ! What the arguments mean is said in wide_kernel.F90.
    abstract interface
        pure subroutine reflecting(n, weight, v, row, block)
            import :: ip, longest_row, rows_at_once, wp
            integer(ip), intent(in) :: n
            real(wp), intent(in) :: weight, v(rows_at_once)
            real(wp), intent(inout) :: row(n), block(longest_row, *)
        end subroutine reflecting

        pure subroutine multiplying(m, n, a, lda, v, y)
            import :: ip, wp
            integer(ip), intent(in) :: m, n, lda
            real(wp), intent(in) :: a(lda, *), v(m)
            real(wp), intent(out) :: y(n)
        end subroutine multiplying

        pure subroutine subtracting(m, n, k, v, ldv, f, ldf, a, lda)
            import :: ip, wp
            integer(ip), intent(in) :: m, n, k, ldv, ldf, lda
            real(wp), intent(in) :: v(ldv, *), f(ldf, *)
            real(wp), intent(inout) :: a(lda, *)
        end subroutine subtracting
    end interface

    procedure(reflecting), pointer, protected, public :: reflect_rows => reflect_rows_plain
    procedure(multiplying), pointer, protected, public :: multiply_columns => multiply_columns_plain
    procedure(subtracting), pointer, protected, public :: subtract_product => subtract_product_plain

contains

    !> Sets the kernels; a level that wasn't compiled leaves them as they are.
    subroutine minpack_wide_choose(level) bind(c)
        integer(ip), intent(in), value :: level !! one of fold_level_*

        select case (level)
        case (fold_level_plain)
            reflect_rows => reflect_rows_plain
            multiply_columns => multiply_columns_plain
            subtract_product => subtract_product_plain
#ifdef FOLD_LEVELS
        case (fold_level_v3)
            reflect_rows => reflect_rows_v3
            multiply_columns => multiply_columns_v3
            subtract_product => subtract_product_v3
        case (fold_level_v4)
            reflect_rows => reflect_rows_v4
            multiply_columns => multiply_columns_v4
            subtract_product => subtract_product_v4
#endif
        end select
    end subroutine minpack_wide_choose

end module minpack_wide
