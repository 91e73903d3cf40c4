!> From a folded triangle to the factorization that an iteration starts from.
module minpack_lm_pivot
    use minpack_kinds, only: ip, wp
    use minpack_lm_factor, only: lm_factor
    implicit none
    private
    public :: lm_pivot

contains

    !> J P = Q R with column pivoting, and the first n entries of Qᵀf, from the triangle of [J f].
    !>
    !> Reflections keep the norms of columns: those of the triangle are those of J, and so are the pivots, but for
    !> rounding. As in lm_factor, norms that are not finite end the work: r is then the triangle as it came, and qtf
    !> its right side. What is left of f, beyond the reach of J, is t(n + 1, n + 1), whose sign means nothing.
    pure subroutine lm_pivot(n, t, ldt, r, ldr, ipvt, qtf, acnorm, rdiag, wa) bind(c, name="lm_pivot_")
        integer(ip), intent(in) :: n !! columns of J
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= n + 1
        real(wp), intent(in) :: t(ldt, n + 1) !! the transposed triangle, of order n + 1, as fold leaves it
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(out) :: r(ldr, n) !! R in the upper triangle, below it what is left of reflectors
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(out) :: qtf(n) !! the first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n), wa(2*n) !! scratch

        integer(ip) :: i, j

        do j = 1, n
            wa(j) = t(n + 1, j)
            qtf(j) = wa(j)
            do i = 1, j
                r(i, j) = t(j, i)
            end do
            r(j + 1:n, j) = 0
        end do
        call lm_factor(n, n, r, ldr, ipvt, wa(1), qtf, acnorm, rdiag, wa(n + 1))
    end subroutine lm_pivot

end module minpack_lm_pivot
