!> The Jacobian by forward differences.
module minpack_fdjac2
    use minpack_callbacks, only: residual_function
    use minpack_constants, only: machine_precision
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: fdjac2

contains

    !> Column j is (F(x + h e_j) - F(x))/h, with h = η |x_j|, or η where that is 0, η = sqrt(max(epsfcn, ε)).
    recursive subroutine fdjac2(fcn, m, n, x, fvec, fjac, ldfjac, iflag, epsfcn, wa) bind(c, name="fdjac2_")
        procedure(residual_function) :: fcn !! the residuals
        integer(ip), intent(in) :: m !! residuals
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(inout) :: x(n) !! where; on return as it was
        real(wp), intent(in) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! the Jacobian
        integer(ip), intent(inout) :: iflag !! passed to fcn; < 0 on return where fcn asked to stop
        real(wp), intent(in) :: epsfcn !! relative error of the residuals; below ε it counts as ε
        real(wp), intent(out) :: wa(m) !! scratch: residuals beside x

        real(wp) :: at, eta, h
        integer(ip) :: i, j

        eta = sqrt(max(epsfcn, machine_precision))
        do j = 1, n
            at = x(j)
            h = eta*abs(at)
            if (h == 0) h = eta
            x(j) = at + h
            call fcn(m, n, x, wa, iflag)
            x(j) = at
            if (iflag < 0) return
            do i = 1, m
                fjac(i, j) = (wa(i) - fvec(i))/h
            end do
        end do
    end subroutine fdjac2

end module minpack_fdjac2
