!> The damped least-squares problem, from a triangle that is already there.
module minpack_qrsolv
    use minpack_fold_diagonal, only: fold_diagonal, rows_at_once
    use minpack_givens, only: find_rotation, rotate
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: qrsolv

    !> From this order on several rows of D are folded at a time, and not to MINPACK's bits. It is faster from 10 on: the
    !> bound keeps the fits of usual size where MINPACK has them.
    integer(ip), parameter :: blocked_from = 64_ip

contains

    !> The x that minimizes ‖[R Pᵀ; D] x - [qtb; 0]‖, and the triangle S with SᵀS = RᵀR + Pᵀ D² P.
    !>
    !> Plane rotations fold the rows of D P, one nonzero each at first, into R; from the order blocked_from on,
    !> reflections that take several rows at once. S grows, transposed, in the strict lower triangle of `r`, and
    !> its diagonal in `sdiag`; so R survives, ready for the next D. Where S is singular, x solves for its leading block
    !> alone.
    !>
    !> | here | Moré (1978), section 3 |
    !> | --- | --- |
    !> | `r`, `ipvt` | R, π |
    !> | `diag` | diagonal of sqrt(λ) D |
    !> | `diag(ipvt)` | diagonal of D_λ |
    !> | S: `sdiag`, and r below its diagonal | R_λ |
    !> | the rotations | W |
    !> | `qtb`; `wa` when all rows are folded | Qᵀf; u |
    !> | `x` | -p |
    pure subroutine qrsolv(n, r, ldr, ipvt, diag, qtb, x, sdiag, wa) bind(c, name="qrsolv_")
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one gets Sᵀ
        integer(ip), intent(in) :: ipvt(n) !! P: column j of A P is column ipvt(j) of A
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: qtb(n) !! first n entries of Qᵀb
        real(wp), intent(out) :: x(n) !! the solution
        real(wp), intent(out) :: sdiag(n) !! diagonal of S
        real(wp), intent(out) :: wa(n) !! scratch: the right side, turned along with R

        integer(ip) :: i, j, last, rows

        call transpose_triangle(n, r, ldr)
        do j = 1, n
            x(j) = r(j, j) ! R's diagonal waits here while S's takes its place
            wa(j) = qtb(j)
        end do

        j = 1
        do while (j <= n)
            rows = merge(rows_at_once(n - j + 1), 1_ip, n >= blocked_from)
            if (rows > 1) then
                last = min(j + rows - 1, n)
                sdiag(j:last) = diag(ipvt(j:last))
                call fold_diagonal(n - j + 1, last - j + 1, sdiag(j), r(j, j), ldr, wa(j))
            else
                last = j
                call fold_row(n, r, ldr, j, diag(ipvt(j)), sdiag, wa)
            end if
            do i = j, last
                sdiag(i) = r(i, i)
                r(i, i) = x(i)
            end do
            j = last + 1
        end do

        call solve_triangle(n, r, ldr, sdiag, wa)
        do j = 1, n
            x(ipvt(j)) = wa(j)
        end do
    end subroutine qrsolv

    !> Copies R into the strict lower triangle, transposed: in squares that stay in cache, since one of the two is
    !> read across its columns.
    pure subroutine transpose_triangle(n, r, ldr)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle

        integer(ip), parameter :: side = 32_ip !! of a square: changes the speed, and no bit
        integer(ip) :: first, i, j, k

        do k = 1, n, side
            do first = k, n, side
                do j = k, min(k + side - 1, n)
                    do i = max(first, j + 1), min(first + side - 1, n)
                        r(i, j) = r(j, i)
                    end do
                end do
            end do
        end do
    end subroutine transpose_triangle

    !> Rotates the row with the one entry d, in place j, and right side 0 into the triangle.
    pure subroutine fold_row(n, r, ldr, j, d, row, wa)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! the triangle, transposed, from column j on
        integer(ip), intent(in) :: j !! place of the entry
        real(wp), intent(in) :: d !! the entry
        real(wp), intent(inout) :: row(n) !! scratch, from place j on: the row as it fills up
        real(wp), intent(inout) :: wa(n) !! the right side of the triangle

        real(wp) :: c, s, row_side, side
        integer(ip) :: k

        if (d == 0) return
        row(j) = d
        do k = j + 1, n
            row(k) = 0
        end do
        row_side = 0
        do k = j, n
            if (row(k) == 0) cycle
            call find_rotation(r(k, k), row(k), c, s)
            r(k, k) = c*r(k, k) + s*row(k)
            side = wa(k)
            wa(k) = c*side + s*row_side
            row_side = -s*side + c*row_side
            if (k < n) call rotate(n - k, c, s, r(k + 1, k), row(k + 1))
        end do
    end subroutine fold_row

    !> wa <- S⁻¹ wa on the leading block of S up to its first zero on the diagonal, 0 behind it.
    pure subroutine solve_triangle(n, r, ldr, sdiag, wa)
        integer(ip), intent(in) :: n !! order of S
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! Sᵀ in the strict lower triangle
        real(wp), intent(in) :: sdiag(n) !! diagonal of S
        real(wp), intent(inout) :: wa(n) !! the right side; on return the solution

        real(wp) :: dot
        integer(ip) :: i, j, rank

        rank = 0
        do j = 1, n
            if (sdiag(j) == 0) exit
            rank = j
        end do
        do j = rank + 1, n
            wa(j) = 0
        end do
        do j = rank, 1, -1
            dot = 0
            do i = j + 1, rank
                dot = dot + r(i, j)*wa(i)
            end do
            wa(j) = (wa(j) - dot)/sdiag(j)
        end do
    end subroutine solve_triangle

end module minpack_qrsolv
