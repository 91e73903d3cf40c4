!> Which of the compiled kernels folds blocks of rows into triangles.
!>
!> The pointer below, and those in wide.F90, are the only state in the core. It is there from the start, may be set to
!> another kernel once, before any work is done (the package does so when it is imported), and is only read from then
!> on: threads share it safely. Every kernel gives the same triangle but for rounding.
module minpack_fold
#ifdef FOLD_LEVELS
    use minpack_fold_v3, only: fold_v3
    use minpack_fold_v4, only: fold_v4
#endif
    use minpack_fold_plain, only: fold_plain
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: fold_kernel, fold_rows, minpack_fold_choose

    abstract interface
        !> The triangle of [R; block]: see fold_kernel.F90.
        pure subroutine fold_kernel(rows, k, block, ldb, t, ldt, wa)
            import :: ip, wp
            integer(ip), intent(in) :: rows !! rows of the block, >= 0
            integer(ip), intent(in) :: k !! columns, and the order of the triangle
            integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
            integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
            real(wp), intent(inout) :: block(ldb, k) !! the rows; destroyed
            real(wp), intent(inout) :: t(ldt, k) !! Rᵀ: row j of R is t(j:k, j); above its diagonal t is not touched
            real(wp), intent(inout) :: wa(4, k) !! scratch
        end subroutine fold_kernel
    end interface

    procedure(fold_kernel), pointer, protected, public :: fold => fold_plain

    !> Levels of x86-64, as its ABI numbers them; 0 for what every machine of an architecture has.
    integer(ip), parameter, public :: fold_level_plain = 0_ip, fold_level_v3 = 1_ip, fold_level_v4 = 2_ip

contains

    !> Sets the kernel; one that wasn't compiled leaves it as it is. Only for a processor that has the level.
    subroutine minpack_fold_choose(level) bind(c)
        integer(ip), intent(in), value :: level !! one of fold_level_*

        select case (level)
        case (fold_level_plain)
            fold => fold_plain
#ifdef FOLD_LEVELS
        case (fold_level_v3)
            fold => fold_v3
        case (fold_level_v4)
            fold => fold_v4
#endif
        end select
    end subroutine minpack_fold_choose

    !> Rows of a block that make folding fastest, for n columns and a right side.
    !>
    !> Measured with all three kernels, 48 KiB of first-level and 2 MiB of second-level cache, and blocks of 64 to
    !> 512 rows: few columns profit from long blocks (384 rows take a tenth less time than 256 at n = 20, a fifth less
    !> than 128), many want block and panel in the first two levels (192 is best from n = 50 to 500). Powers of two, at
    !> which columns compete for the same places in the cache, cost up to a fifth.
    pure function fold_rows(n) result(rows) bind(c, name="fold_rows_")
        integer(ip), intent(in) :: n !! columns of the Jacobian
        integer(ip) :: rows

        integer(ip), parameter :: long = 384, short = 192, few = 40

        rows = merge(long, short, n < few)
    end function fold_rows

    !> The kernel chosen, for callers that are not Fortran.
    subroutine fold_block(rows, k, block, ldb, t, ldt, wa) bind(c, name="fold_")
        integer(ip), intent(in) :: rows !! rows of the block, >= 0
        integer(ip), intent(in) :: k !! columns, and the order of the triangle
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= k
        real(wp), intent(inout) :: block(ldb, k) !! the rows; destroyed
        real(wp), intent(inout) :: t(ldt, k) !! Rᵀ: row j of R is t(j:k, j); above its diagonal t is not touched
        real(wp), intent(inout) :: wa(4, k) !! scratch

        call fold(rows, k, block, ldb, t, ldt, wa)
    end subroutine fold_block

end module minpack_fold
