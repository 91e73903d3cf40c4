!> Robust losses of many fits: see robust.f90.
module minpack_robust_many
    use minpack_choose_many, only: lanes
    use minpack_constants, only: largest
    use minpack_kinds, only: ip, wp
    use minpack_robust, only: factors_at, look_up
    implicit none
    private
    public :: robust_columns, robust_norms

contains

    !> The roots of twice the costs, in the place of ‖f‖; infinite where f is not finite, or its squares overflow.
    pure subroutine robust_norms(m, w, f, loss, scale, norms) bind(c, name="robust_norms_")
        integer(ip), intent(in) :: m, w !! points and fits
        real(wp), intent(in) :: f(w, m) !! residuals
        integer(ip), intent(in) :: loss !! number of the loss
        real(wp), intent(in) :: scale !! of the residuals
        real(wp), intent(inout) :: norms(w) !! ‖f‖; on return these

        real(wp) :: first, rho, second, sums(w), z
        integer(ip) :: i, k

        sums = 0
        do k = 1, m
            do i = 1, w
                z = (f(i, k)/scale)**2
                call look_up(loss, z, rho, first, second)
                sums(i) = sums(i) + rho
                if (.not. z <= largest) norms(i) = z
            end do
        end do
        where (norms <= largest) norms = scale*sqrt(sums)
    end subroutine robust_norms

    !> Makes of Jacobians and residuals those of the least squares problems that stand for the robust ones.
    pure subroutine robust_columns(m, n, w, f, loss, scale, jac) bind(c, name="robust_columns_")
        integer(ip), intent(in) :: m, n, w !! points, parameters, fits
        real(wp), intent(in) :: f(w, m) !! residuals
        integer(ip), intent(in) :: loss !! number of the loss
        real(wp), intent(in) :: scale !! of the residuals
        real(wp), intent(inout) :: jac(lanes, m, n + 1, *) !! as columns_kernel.F90 has them

        real(wp) :: row(lanes), weight(lanes)
        integer(ip) :: b, i, j, k, l, last

        do b = 1, (w + lanes - 1)/lanes
            i = (b - 1)*lanes
            last = min(lanes, w - i)
            do k = 1, m
                do l = 1, last
                    call factors_at((f(i + l, k)/scale)**2, loss, weight(l), row(l))
                end do
                do j = 1, n
                    jac(:last, k, j, b) = jac(:last, k, j, b)*row(:last)
                end do
                jac(:last, k, n + 1, b) = jac(:last, k, n + 1, b)*weight(:last)
            end do
        end do
    end subroutine robust_columns

end module minpack_robust_many
