!> Which of the compiled kernels do the inner loops of tall and of wide problems.
!>
!> The pointers below are the only state in the core. They are there from the start, may be set to the kernels of
!> another instruction set once, before any work is done (the package does so when it is imported), and are only read
!> from then on: threads share them safely. What the kernels do, and what their arguments mean, is said in
!> fold_kernel.F90 and wide_kernel.F90; the instruction set changes their results by rounding alone.
module minpack_choose
#ifdef KERNEL_LEVELS
    use minpack_fold_v3, only: fold_v3 => fold
    use minpack_fold_v4, only: fold_v4 => fold
    use minpack_wide_v3, only: multiply_columns_v3 => multiply_columns, reflect_rows_v3 => reflect_rows, &
                               subtract_product_v3 => subtract_product
    use minpack_wide_v4, only: multiply_columns_v4 => multiply_columns, reflect_rows_v4 => reflect_rows, &
                               subtract_product_v4 => subtract_product
#endif
    use minpack_choose_many, only: choose_many_kernels
    use minpack_fold_plain, only: fold_plain => fold
    use minpack_kinds, only: ip, wp
    use minpack_wide_plain, only: multiply_columns_plain => multiply_columns, reflect_rows_plain => reflect_rows, &
                                  subtract_product_plain => subtract_product
    implicit none
    private
    public :: choose_kernels

    procedure(fold_plain), pointer, protected, public :: fold => fold_plain
    procedure(multiply_columns_plain), pointer, protected, public :: multiply_columns => multiply_columns_plain
    procedure(reflect_rows_plain), pointer, protected, public :: reflect_rows => reflect_rows_plain
    procedure(subtract_product_plain), pointer, protected, public :: subtract_product => subtract_product_plain

    !> What every machine of an architecture has, AVX2 with fused multiplication and addition, AVX-512.
    integer(ip), parameter, public :: level_plain = 0_ip, level_v3 = 1_ip, level_v4 = 2_ip

contains

    !> Sets the kernels; a level that wasn't compiled leaves them as they are. Only for a processor that has the level.
    subroutine choose_kernels(level) bind(c, name="minpack_choose_kernels")
        integer(ip), intent(in), value :: level !! one of level_*

        call choose_many_kernels(level)
        select case (level)
        case (level_plain)
            fold => fold_plain
            multiply_columns => multiply_columns_plain
            reflect_rows => reflect_rows_plain
            subtract_product => subtract_product_plain
#ifdef KERNEL_LEVELS
        case (level_v3)
            fold => fold_v3
            multiply_columns => multiply_columns_v3
            reflect_rows => reflect_rows_v3
            subtract_product => subtract_product_v3
        case (level_v4)
            fold => fold_v4
            multiply_columns => multiply_columns_v4
            reflect_rows => reflect_rows_v4
            subtract_product => subtract_product_v4
#endif
        case default ! it isn't compiled
        end select
    end subroutine choose_kernels

    !> The kernel `fold`, for callers that are not Fortran.
    pure subroutine fold_block(rows, k, block, ldb, t, ldt, wa) bind(c, name="fold_")
        integer(ip), intent(in) :: rows !! rows of the block, >= 0
        integer(ip), intent(in) :: k !! columns, and the order of the triangle
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
        real(wp), intent(inout) :: block(ldb, k) !! the rows; destroyed
        real(wp), intent(inout) :: t(ldt, k) !! the transposed triangle
        real(wp), intent(inout) :: wa(4, k) !! scratch

        call fold(rows, k, block, ldb, t, ldt, wa)
    end subroutine fold_block

end module minpack_choose
