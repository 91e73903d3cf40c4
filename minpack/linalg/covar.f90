!> The covariance matrix that a QR factorization of the Jacobian holds.
module minpack_covar
    use minpack_column_rank, only: column_rank
    use minpack_constants, only: largest
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: covar, unscaled_covariance

contains

    !> (AᵀA)⁻¹, where the columns of A are independent.
    pure subroutine unscaled_covariance(n, r, ldr, ipvt, tol, cov, known, order, wa) bind(c, name="unscaled_covariance_")
        integer(ip), intent(in) :: n !! order of R, > 0
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P: column j of A P is column ipvt(j) of A
        real(wp), intent(in) :: tol !! sines of angles up to this count as zero: see column_rank
        real(wp), intent(out) :: cov(n, n) !! the inverse; of no use unless it is known
        integer(ip), intent(out) :: known !! 0 where columns are dependent, or the inverse has entries beyond all numbers
        integer(ip), intent(out) :: order(n) !! scratch
        real(wp), intent(out) :: wa(n, 3) !! scratch

        integer(ip) :: j, rank

        known = 0
        call column_rank(n, r, ldr, tol, rank, cov, order, wa(:, 1), wa(:, 2), wa(:, 3))
        if (rank < n) return
        do j = 1, n
            cov(1:j, j) = r(1:j, j)
        end do
        call covar(n, cov, n, ipvt, 0.0_wp, wa(:, 1))
        if (all(wa(:, 1) <= largest)) known = 1
    end subroutine unscaled_covariance

    !> (AᵀA)⁻¹ from R and P of A P = Q R.
    !>
    !> Where |r_kk| <= tol |r_11|, columns k to n of R count as dependent on those before: their rows and
    !> columns of the result are 0, and the rest is the inverse for the leading block alone. That test, which is
    !> MINPACK's, depends on the units of the parameters. For a rank that doesn't, call column_rank, and this with
    !> tol = 0 where that rank is n.
    pure subroutine covar(n, r, ldr, ipvt, tol, wa) bind(c, name="covar_")
        integer(ip), intent(in) :: n !! order of R, > 0
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; on return (AᵀA)⁻¹, whole
        integer(ip), intent(in) :: ipvt(n) !! P: column j of A P is column ipvt(j) of A
        real(wp), intent(in) :: tol !! >= 0, relative to |r_11|
        real(wp), intent(out) :: wa(n) !! scratch: the diagonal of the result

        integer(ip) :: rank

        call invert(n, r, ldr, tol, rank)
        call multiply_by_transpose(n, r, ldr, rank)
        call restore_order(n, r, ldr, ipvt, rank, wa)
    end subroutine covar

    !> R <- R⁻¹ in place, on the leading block that counts as nonsingular.
    pure subroutine invert(n, r, ldr, tol, rank)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R; on return R⁻¹ in the upper triangle of the block
        real(wp), intent(in) :: tol !! relative to |r_11|, as in covar
        integer(ip), intent(out) :: rank !! order of the block

        real(wp) :: multiple, negligible
        integer(ip) :: j, k

        negligible = tol*abs(r(1, 1))
        rank = 0
        do k = 1, n
            if (abs(r(k, k)) <= negligible) exit
            r(k, k) = 1/r(k, k)
            do j = 1, k - 1
                multiple = r(k, k)*r(j, k)
                r(j, k) = 0
                r(1:j, k) = r(1:j, k) - multiple*r(1:j, j)
            end do
            rank = k
        end do
    end subroutine invert

    !> The upper triangle of R⁻¹ R⁻ᵀ in the place of R⁻¹'s.
    pure subroutine multiply_by_transpose(n, r, ldr, rank)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R⁻¹ in the upper triangle; on return the product there
        integer(ip), intent(in) :: rank !! order of the block

        integer(ip) :: j, k

        do k = 1, rank
            do j = 1, k - 1
                r(1:j, j) = r(1:j, j) + r(j, k)*r(1:j, k)
            end do
            r(1:k, k) = r(k, k)*r(1:k, k)
        end do
    end subroutine multiply_by_transpose

    !> P C Pᵀ, whole, from the upper triangle of C.
    !>
    !> The result's strict lower triangle and its diagonal (in `wa`) are filled first, because the upper
    !> triangle still holds C.
    pure subroutine restore_order(n, r, ldr, ipvt, rank, wa)
        integer(ip), intent(in) :: n !! order of C
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! C in the upper triangle; on return P C Pᵀ
        integer(ip), intent(in) :: ipvt(n) !! P
        integer(ip), intent(in) :: rank !! order of the block; C is 0 outside it
        real(wp), intent(out) :: wa(n) !! scratch: the diagonal of the result

        integer(ip) :: i, j

        do j = 1, n
            if (j > rank) r(1:j, j) = 0
            do i = 1, j - 1
                r(max(ipvt(i), ipvt(j)), min(ipvt(i), ipvt(j))) = r(i, j)
            end do
            wa(ipvt(j)) = r(j, j)
        end do
        do j = 1, n
            do i = 1, j - 1
                r(i, j) = r(j, i)
            end do
            r(j, j) = wa(j)
        end do
    end subroutine restore_order

end module minpack_covar
