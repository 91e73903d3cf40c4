!> The gradient of half the sum of squares, from a factorization.
module minpack_lm_gradient
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: lm_gradient

contains

    !> Jᵀ f = P Rᵀ (Qᵀf), of which the first n entries alone matter.
    pure subroutine lm_gradient(n, r, ldr, ipvt, qtf, gradient) bind(c, name="lm_gradient_")
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: gradient(n)

        integer(ip) :: j

        do j = 1, n
            gradient(ipvt(j)) = dot_product(r(1:j, j), qtf(1:j))
        end do
    end subroutine lm_gradient

end module minpack_lm_gradient
