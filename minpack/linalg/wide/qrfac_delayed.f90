!> QR factorization with column pivoting of matrices that don't fit into the cache.
module minpack_qrfac_delayed
    use minpack_choose, only: multiply_columns, subtract_product
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_reflect, only: exchange_columns, find_reflector
    implicit none
    private
    public :: qrfac_delayed

    !> Numbers of scratch, 64 KiB on the stack, and the most reflections that wait: as many as have room. Twice the
    !> scratch was no faster up to n = 1000, and faster by a tenth at n = 2000. How many wait changes R by rounding.
    integer(ip), parameter :: room = 8192_ip, most = 32_ip
    !> Most columns that are left: for fewer than four reflections at a time waiting doesn't pay.
    integer(ip), parameter, public :: widest_delayed = room/4_ip

    !> A downdated norm is trusted while (ρ/ρ_ref)² exceeds this, sqrt(ε): the bound for which Z. Drmač and
    !> Z. Bujanović, "On the failure of rank-revealing QR factorization software", ACM TOMS 35 (2008), prove it safe.
    !> Pivots of hard matrices of order 400 were the right ones with ten times more or less, and wrong with ε itself.
    real(wp), parameter :: trust = sqrt(epsilon(1.0_wp))
    !> In place of a norm that has to be computed anew.
    real(wp), parameter :: stale = -1.0_wp

contains

    !> What qrfac does, from the norms on, or from where it has left off: the same reflectors, pivots and R, but for
    !> rounding.
    !>
    !> Of each reflection only a row is applied at once to the columns behind, which is all that their norms, and so
    !> the next pivot, depend on. The rest waits until several reflections can be applied in one go (G. Quintana-Ortí,
    !> X. Sun, C. H. Bischof, "A BLAS-3 version of the QR factorization with column pivoting", SIAM J. Sci. Comput.
    !> 19 (1998)): the matrix is read once, and not also written, for each reflection.
    !>
    !> With V the reflectors that wait, as columns of `a`, the matrix A that the columns behind them will be is `a` - V F.
    !>
    !> | here | LAPACK's dlaqps, which is made from the paper |
    !> | --- | --- |
    !> | V: columns done + 1 to done + k of `a`, from the diagonal down | V |
    !> | `f` | Fᵀ |
    !> | `rdiag`, `wa` of the columns behind | VN1, VN2: norms, and what they were when last computed in full |
    !> | `coupling(i)` = v_iᵀ v_k | AUXV, but for a factor |
    !> | `k`, `depth` | KB, NB |
    pure recursive subroutine qrfac_delayed(m, n, a, lda, ipvt, rdiag, wa, finished)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, n) !! A; on return R above the diagonal, reflectors from it down
        integer(ip), intent(inout) :: ipvt(n) !! P so far, and on return: column j of A P is column ipvt(j) of A
        real(wp), intent(inout) :: rdiag(n) !! behind the finished columns the norms of what remains, finite; on return
                                            !! the diagonal of R
        real(wp), intent(inout) :: wa(n) !! these norms when they were last computed in full; destroyed
        integer(ip), intent(in) :: finished !! how many columns are, n - finished <= widest_delayed

        real(wp) :: f(room)
        integer(ip) :: depth, done, k

        done = finished
        do while (done < min(m, n))
            depth = min(most, room/(n - done))
            call factor_panel(m, n, a, lda, ipvt, rdiag, wa, done, min(depth, min(m, n) - done), f, depth, k)
            if (done + k < min(m, n)) call catch_up(m, n, a, lda, rdiag, wa, done, k, f, depth)
            done = done + k
        end do
    end subroutine qrfac_delayed

    !> Reflections up to `limit` in number, until a norm of what remains has to be computed anew.
    pure subroutine factor_panel(m, n, a, lda, ipvt, rdiag, wa, done, limit, f, ldf, k)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, n) !! the matrix
        integer(ip), intent(inout) :: ipvt(n) !! P
        real(wp), intent(inout) :: rdiag(n) !! diagonal of R, then norms of what remains
        real(wp), intent(inout) :: wa(n) !! what the downdating of these norms started from
        integer(ip), intent(in) :: done !! columns that are finished
        integer(ip), intent(in) :: limit !! reflections at most
        integer(ip), intent(in) :: ldf !! leading dimension of f, >= limit
        real(wp), intent(inout) :: f(ldf, done + 1:n) !! F, empty at first
        integer(ip), intent(out) :: k !! reflections found

        real(wp) :: head, kept
        integer(ip) :: i, j, pivot

        do k = 1, limit
            j = done + k
            pivot = j - 1 + int(maxloc(rdiag(j:n), dim=1), ip)
            if (pivot /= j) then
                call exchange_columns(m, n, a, lda, ipvt, rdiag, wa, j, pivot)
                do i = 1, k - 1
                    kept = f(i, j)
                    f(i, j) = f(i, pivot)
                    f(i, pivot) = kept
                end do
            end if

            call subtract_product(m - j + 1, 1_ip, k - 1, a(j, done + 1), lda, f(1, j), ldf, a(j, j), lda)
            call find_reflector(m - j + 1, a(j, j), rdiag(j))
            head = merge(a(j, j), 1.0_wp, rdiag(j) /= 0)
            call finish_row(m, n, a, lda, rdiag, wa, done, k, head, f, ldf)
            if (any(rdiag(j + 1:n) < 0)) return
        end do
        k = limit
    end subroutine factor_panel

    !> Extends F by the reflection k, and brings its row, in the columns behind, and their norms up to date.
    pure subroutine finish_row(m, n, a, lda, rdiag, wa, done, k, head, f, ldf)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, n) !! the matrix
        real(wp), intent(inout) :: rdiag(n) !! norms; `stale` on return where one has lost its digits
        real(wp), intent(in) :: wa(n) !! what their downdating started from
        integer(ip), intent(in) :: done !! columns that were finished before those that wait
        integer(ip), intent(in) :: k !! the reflection's number among these
        real(wp), intent(in) :: head !! first entry of its reflector, or 1 where that is 0
        integer(ip), intent(in) :: ldf !! leading dimension of f
        real(wp), intent(inout) :: f(ldf, done + 1:n) !! F; row k is set here, in the columns behind

        integer(ip), parameter :: width = 4_ip !! columns whose products with the reflector share one read of it
        real(wp) :: coupling(most), product(width), row(most), entry
        integer(ip) :: first, i, j, l

        j = done + k
        call multiply_columns(m - j + 1, k - 1, a(j, done + 1), lda, a(j, j), coupling)
        do i = 1, k
            row(i) = a(j, done + i)
        end do
        do first = j + 1, n, width
            call multiply_columns(m - j + 1, min(width, n - first + 1), a(j, first), lda, a(j, j), product)
            do l = first, min(first + width - 1, n)
                entry = product(l - first + 1)
                do i = 1, k - 1
                    entry = entry - coupling(i)*f(i, l)
                end do
                f(k, l) = entry/head
                entry = a(j, l)
                do i = 1, k
                    entry = entry - row(i)*f(i, l)
                end do
                a(j, l) = entry
                call downdate(entry, wa(l), rdiag(l))
            end do
        end do
    end subroutine finish_row

    !> Takes an entry of a column out of its norm.
    elemental subroutine downdate(entry, reference, norm)
        real(wp), intent(in) :: entry !! of the row that has been finished
        real(wp), intent(in) :: reference !! the norm when it was last computed in full
        real(wp), intent(inout) :: norm !! without the entry, on return; or `stale`

        real(wp) :: left

        if (norm == 0) return
        left = max(0.0_wp, 1 - (entry/norm)**2)
        if (left*(norm/reference)**2 <= trust) then
            norm = stale
        else
            norm = norm*sqrt(left)
        end if
    end subroutine downdate

    !> Applies the reflections that waited, and computes the norms that are due.
    pure subroutine catch_up(m, n, a, lda, rdiag, wa, done, k, f, ldf)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, n) !! the matrix
        real(wp), intent(inout) :: rdiag(n) !! diagonal of R, then norms of what remains
        real(wp), intent(inout) :: wa(n) !! what the downdating of these norms started from
        integer(ip), intent(in) :: done !! columns that were finished before those reflections
        integer(ip), intent(in) :: k !! how many reflections
        integer(ip), intent(in) :: ldf !! leading dimension of f
        real(wp), intent(in) :: f(ldf, done + 1:n) !! F

        integer(ip) :: first, l

        first = done + k + 1
        call subtract_product(m - first + 1, n - first + 1, k, a(first, done + 1), lda, f(1, first), ldf, &
                              a(first, first), lda)
        do l = first, n
            if (rdiag(l) >= 0) cycle
            rdiag(l) = enorm(m - first + 1, a(first, l))
            wa(l) = rdiag(l)
        end do
    end subroutine catch_up

end module minpack_qrfac_delayed
