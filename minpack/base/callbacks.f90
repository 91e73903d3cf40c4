!> The user's routine `fcn` in the three forms that MINPACK's drivers call.
!>
!> In each, `iflag` says what is wanted, and a negative value left in it ends the fit with `info = iflag`.
!> With `iflag = 0` (only where `nprint > 0`) nothing is to be computed: the iterate may be looked at.
module minpack_callbacks
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: residual_function, jacobian_function, row_function

    abstract interface

        !> For lmdif: residuals alone. `iflag` is 1 at a point of the iteration, 2 where a difference is taken.
        recursive subroutine residual_function(m, n, x, fvec, iflag) bind(c)
            import :: ip, wp
            implicit none
            integer(ip), intent(in) :: m !! residuals
            integer(ip), intent(in) :: n !! parameters
            real(wp), intent(in) :: x(n) !! where
            real(wp), intent(inout) :: fvec(m) !! the residuals there; changed with iflag = 1 or 2 alone
            integer(ip), intent(inout) :: iflag
        end subroutine residual_function

        !> For lmder: residuals with `iflag` 1, the Jacobian with 2.
        recursive subroutine jacobian_function(m, n, x, fvec, fjac, ldfjac, iflag) bind(c)
            import :: ip, wp
            implicit none
            integer(ip), intent(in) :: m !! residuals
            integer(ip), intent(in) :: n !! parameters
            real(wp), intent(in) :: x(n) !! where
            integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
            real(wp), intent(inout) :: fvec(m) !! the residuals there; changed with iflag = 1 alone
            real(wp), intent(inout) :: fjac(ldfjac, n) !! the Jacobian there; changed with iflag = 2 alone
            integer(ip), intent(inout) :: iflag
        end subroutine jacobian_function

        !> For lmstr: residuals with `iflag` 1, row `iflag - 1` of the Jacobian with 2 to m + 1.
        recursive subroutine row_function(m, n, x, fvec, fjrow, iflag) bind(c)
            import :: ip, wp
            implicit none
            integer(ip), intent(in) :: m !! residuals
            integer(ip), intent(in) :: n !! parameters
            real(wp), intent(in) :: x(n) !! where
            real(wp), intent(inout) :: fvec(m) !! the residuals there; changed with iflag = 1 alone
            real(wp), intent(inout) :: fjrow(n) !! one row of the Jacobian; changed with iflag > 1 alone
            integer(ip), intent(inout) :: iflag
        end subroutine row_function

    end interface

end module minpack_callbacks
