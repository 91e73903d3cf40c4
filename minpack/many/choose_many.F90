!> Which of the compiled kernels work on many fits at once: see simd/choose.F90. Here the instruction set changes no bit. There is
!> none for AVX-512: it took as long as AVX2.
module minpack_choose_many
    use minpack_columns_plain, only: beside_plain => take_beside, central_plain => take_central, forward_plain => take_forward, &
                                     given_plain => take_given, lanes, residuals_plain => take_residuals
    use minpack_factor_plain, only: factor_plain => factor_across
    use minpack_step_plain, only: step_plain => step_across
#ifdef KERNEL_LEVELS
    use minpack_columns_v3, only: beside_v3 => take_beside, central_v3 => take_central, forward_v3 => take_forward, &
                                  given_v3 => take_given, residuals_v3 => take_residuals
    use minpack_factor_v3, only: factor_v3 => factor_across
    use minpack_step_v3, only: step_v3 => step_across
#endif
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: central_columns, change_beside, choose_many_kernels, forward_columns, given_columns, lanes, residuals_many

    procedure(factor_plain), pointer, protected, public :: factor_across => factor_plain
    procedure(step_plain), pointer, protected, public :: step_across => step_plain
    procedure(beside_plain), pointer, protected :: take_beside => beside_plain
    procedure(central_plain), pointer, protected :: take_central => central_plain
    procedure(forward_plain), pointer, protected :: take_forward => forward_plain
    procedure(given_plain), pointer, protected :: take_given => given_plain
    procedure(residuals_plain), pointer, protected :: take_residuals => residuals_plain

contains

    !> Sets the kernels to those of a level of choose.F90.
    subroutine choose_many_kernels(level)
        integer(ip), intent(in) :: level

        select case (level)
        case (0)
            factor_across => factor_plain
            step_across => step_plain
            take_beside => beside_plain
            take_central => central_plain
            take_forward => forward_plain
            take_given => given_plain
            take_residuals => residuals_plain
#ifdef KERNEL_LEVELS
        case (1:)
            factor_across => factor_v3
            step_across => step_v3
            take_beside => beside_v3
            take_central => central_v3
            take_forward => forward_v3
            take_given => given_v3
            take_residuals => residuals_v3
#endif
        case default ! it isn't compiled
        end select
    end subroutine choose_many_kernels

    ! The kernels of columns_kernel.F90 for callers that are not Fortran; it says what their arguments mean.

    pure subroutine residuals_many(m, w, value, y, has_weights, weights, f, norms) bind(c, name="residuals_many_")
        integer(ip), intent(in) :: m, w, has_weights
        real(wp), intent(in) :: value(w, m), y(w, m), weights(w, *)
        real(wp), intent(out) :: f(w, m), norms(w)

        call take_residuals(m, w, value, y, has_weights, weights, f, norms)
    end subroutine residuals_many

    pure subroutine forward_columns(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac) &
            bind(c, name="forward_columns_")
        integer(ip), intent(in) :: m, n, w, before, columns, has_weights
        real(wp), intent(in) :: moved(w, columns, m), y(w, m), weights(w, *), f(w, m), steps(w, n)
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        call take_forward(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac)
    end subroutine forward_columns

    pure subroutine central_columns(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac, change, bend) &
            bind(c, name="central_columns_")
        integer(ip), intent(in) :: m, n, w, before, columns, has_weights
        real(wp), intent(in) :: moved(w, columns, 2, m), y(w, m), weights(w, *), f(w, m), steps(w, n)
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *), change(w, n), bend(w, n)

        call take_central(m, n, w, before, columns, moved, y, has_weights, weights, f, steps, jac, change, bend)
    end subroutine central_columns

    pure subroutine given_columns(m, n, w, value, by_point, by_column, by_fit, has_weights, weights, f, jac) &
            bind(c, name="given_columns_")
        integer(ip), intent(in) :: m, n, w, by_point, by_column, by_fit, has_weights
        real(wp), intent(in) :: value(*), weights(w, *), f(w, m)
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *)

        call take_given(m, n, w, value, by_point, by_column, by_fit, has_weights, weights, f, jac)
    end subroutine given_columns

    pure subroutine change_beside(m, n, w, value, y, has_weights, weights, f, steps, jac, change, wrong) &
            bind(c, name="change_beside_")
        integer(ip), intent(in) :: m, n, w, has_weights
        real(wp), intent(in) :: value(w, m), y(w, m), weights(w, *), f(w, m), steps(w, n), jac(lanes, m, n + 1, *)
        real(wp), intent(out) :: change(w), wrong(w)

        call take_beside(m, n, w, value, y, has_weights, weights, f, steps, jac, change, wrong)
    end subroutine change_beside

end module minpack_choose_many
