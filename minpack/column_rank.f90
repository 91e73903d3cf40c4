!> Whether the columns of a triangle are independent, in whatever units they are.
module minpack_column_rank
    use minpack_kinds, only: ip, wp
    use minpack_enorm, only: enorm
    implicit none
    private
    public :: column_rank

contains

    !> The number of columns of R before the first that those before it determine up to rounding.
    !>
    !> |r_jj|/‖R e_j‖ is the sine of the angle between column j and the columns before it. It doesn't change
    !> with the units of any parameter, as |r_jj|/|r_11| does.
    pure function column_rank(n, r, ldr, tol) result(rank) bind(c, name="column_rank_")
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(in) :: tol !! sines up to this count as zero
        integer(ip) :: rank

        integer(ip) :: j

        rank = 0
        do j = 1, n
            if (.not. abs(r(j, j)) > tol*enorm(j, r(1, j))) exit
            rank = j
        end do
    end function column_rank

end module minpack_column_rank
