!> Which parameters the data determine, and how well.
module minpack_identifiable
    use minpack_column_rank, only: leading_rank, unit_columns
    use minpack_constants, only: largest
    use minpack_covar, only: covar
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    use minpack_reflect, only: reflect
    use minpack_triangle, only: transposed_product
    implicit none
    private
    public :: identifiable

    integer(ip), parameter :: pivot = 1_ip, no_pivot = 0_ip

    !> How far rounding may exceed `tol`. Of 5551 Jacobians with dependent columns, up to 40 x 12, 13 had a parameter on
    !> the wrong side with 0.1, none with 1 or 10; of 4527 others 1 with 0.1, none with 1, 10 or 100.
    real(wp), parameter :: slack = 10.0_wp
    !> Rows of the null space that are at least as long as this part of the longest are never taken for rounding. It
    !> counts only where `tol` is so large that slack alone would leave no parameter undetermined: with 0.05 or 0.95 none
    !> of the 4527 changed.
    real(wp), parameter :: long_part = 0.5_wp

    !> A power iteration ends where the eigenvalue grows by no more than this part of itself, or after so many products.
    !> Of 3000 condition numbers none was off by more than 4 %, and the average by 7e-5; with 1e-4, 8 %; with 1e-6, 3 %;
    !> with 20 products, 13 %; with 2000, 4 %. Rarely do more digits mean anything.
    real(wp), parameter :: settled = 1.0e-5_wp
    integer(ip), parameter :: most_products = 200_ip

contains

    !> Rank, covariance and the parameters without an answer, from R and P of J P = Q R, J being of n columns.
    !>
    !> The columns are scaled to length 1, A = J diag(norms)⁻¹, and factored once more, with pivoting: the rank is that of
    !> column_rank, by its rule. Where they are independent, `inverse` is (AᵀA)⁻¹. Elsewhere it is the pseudo-inverse
    !> (AᵀA)⁺, by the complete orthogonal decomposition (Golub and Van Loan (2013), section 5.4.7): A Π = Q [Sᵀ 0] [W Z]ᵀ,
    !> so that X = W S⁻ᵀ gives X Xᵀ, and the columns of Z are a basis of the null space.
    !>
    !> A parameter is estimable (Rao and Mitra (1971), chapter 7) where its unit vector is orthogonal to the null space:
    !> row j of Z is 0. Every generalized inverse of JᵀJ then gives it the same variance, and so do all units. A relative
    !> error E of A moves that row by no more than ‖row j of A⁺‖ ‖E‖, to first order, because A dZ = -E Z (Wedin (1973));
    !> and the square of that norm is inverse(j, j). So `undetermined` are the parameters whose row of Z is longer than
    !> `tol` sqrt(inverse(j, j)) explains, and always those of the longest rows.
    pure subroutine identifiable(n, r, ldr, ipvt, tol, rank, norms, inverse, undetermined, cond, a, order, rdiag, wa) &
        bind(c, name="identifiable_")
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(in) :: tol !! relative error of the columns; sines up to this count as zero
        integer(ip), intent(out) :: rank !! columns that are independent; 0 where R is not finite
        real(wp), intent(out) :: norms(n) !! length of each column of J
        real(wp), intent(out) :: inverse(n, n) !! (AᵀA)⁺, whole; (JᵀJ)⁺'s entry i, j is that over norms i and j
        integer(ip), intent(out) :: undetermined(n) !! 1 for a parameter that the data don't determine, else 0
        real(wp), intent(out) :: cond !! condition number of A, to a few per cent; 0 where rank < n
        real(wp), intent(out) :: a(n, n) !! scratch: the columns at length 1
        integer(ip), intent(out) :: order(n) !! scratch: P Π
        real(wp), intent(out) :: rdiag(n), wa(n, 2) !! scratch

        integer(ip) :: j

        rank = 0
        cond = 0
        inverse = 0
        undetermined = 1
        call unit_columns(n, r, ldr, a, wa(1, 1))
        norms(ipvt) = wa(:, 1)
        if (.not. all(norms <= largest)) return

        call qrfac(n, n, a, n, pivot, order, n, rdiag, wa(1, 1), wa(1, 2))
        rank = leading_rank(n, rdiag, tol)
        do j = 1, n
            a(j, j) = rdiag(j)
            order(j) = ipvt(order(j))
        end do

        if (rank == n) then
            undetermined = 0
            call largest_eigenvalue(n, a, .true., wa(1, 1), wa(1, 2), cond)
            inverse = a
            call covar(n, inverse, n, order, 0.0_wp, wa(1, 1))
            call largest_eigenvalue(n, inverse, .false., wa(1, 1), wa(1, 2), rdiag(1))
            cond = max(1.0_wp, sqrt(cond)*sqrt(rdiag(1)))
        else
            call pseudo_invert(n, rank, a, inverse, order, rdiag, wa(1, 1), wa(1, 2))
            call mark_undetermined(n, inverse, wa(1, 1), order, tol, undetermined)
        end if
    end subroutine identifiable

    !> (AᵀA)⁺, in the parameters' order, and the lengths of the rows of Z, in the order of A's columns.
    pure subroutine pseudo_invert(n, rank, a, inverse, order, rdiag, length, wa)
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: rank !! rows of a that count
        real(wp), intent(inout) :: a(n, n) !! the triangle; on return X and, behind its `rank` columns, Z
        real(wp), intent(out) :: inverse(n, n) !! the pseudo-inverse
        integer(ip), intent(in) :: order(n) !! parameters of the columns
        real(wp), intent(out) :: rdiag(n) !! scratch: the diagonal of S
        real(wp), intent(out) :: length(n) !! length of each row of Z
        real(wp), intent(out) :: wa(n) !! scratch

        integer(ip) :: i, j, k, none(1)

        inverse = 0
        do j = 1, rank
            do i = j, n
                inverse(i, j) = a(j, i)
            end do
        end do
        call qrfac(n, rank, inverse, n, no_pivot, none, 1_ip, rdiag, length, wa)

        a = 0
        do j = 1, n
            a(j, j) = 1
        end do
        do k = rank, 1, -1
            if (inverse(k, k) /= 0) call reflect(n - k + 1, n - k + 1, inverse(k, k), a(k, k), n)
        end do
        length = 0
        do k = rank + 1, n
            length = length + a(:, k)**2
        end do
        length = sqrt(length)

        do k = rank, 1, -1
            do j = k + 1, rank
                a(:, k) = a(:, k) - inverse(k, j)*a(:, j)
            end do
            a(:, k) = a(:, k)/rdiag(k)
        end do
        inverse = 0
        do k = 1, rank
            do j = 1, n
                do i = 1, n
                    inverse(order(i), order(j)) = inverse(order(i), order(j)) + a(i, k)*a(j, k)
                end do
            end do
        end do
    end subroutine pseudo_invert

    !> Which parameters have a component in the null space that is larger than an error of A explains.
    pure subroutine mark_undetermined(n, inverse, length, order, tol, undetermined)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: inverse(n, n) !! (AᵀA)⁺
        real(wp), intent(in) :: length(n) !! length of each row of Z
        integer(ip), intent(in) :: order(n) !! parameters of these rows
        real(wp), intent(in) :: tol !! relative error of A
        integer(ip), intent(out) :: undetermined(n) !! 1 or 0

        real(wp) :: explained
        integer(ip) :: i, j

        do i = 1, n
            j = order(i)
            explained = min(slack*tol*sqrt(inverse(j, j)), long_part*maxval(length))
            undetermined(j) = merge(1_ip, 0_ip, length(i) > explained)
        end do
    end subroutine mark_undetermined

    !> The largest eigenvalue of a symmetric matrix C without negative ones, by power iteration.
    pure subroutine largest_eigenvalue(n, c, is_triangle, x, y, eigenvalue)
        integer(ip), intent(in) :: n !! order of C
        real(wp), intent(in) :: c(n, n) !! C, whole; or R in the upper triangle, with C = RᵀR
        logical, intent(in) :: is_triangle !! whether c is R
        real(wp), intent(out) :: x(n), y(n) !! scratch
        real(wp), intent(out) :: eigenvalue !! the eigenvalue, from below

        real(wp) :: before
        integer(ip) :: j, last, product

        call start_power(n, x)
        eigenvalue = 0
        do product = 1, most_products
            before = eigenvalue
            y = 0
            do j = 1, n
                last = merge(j, n, is_triangle)
                y(1:last) = y(1:last) + x(j)*c(1:last, j)
            end do
            if (is_triangle) then
                call transposed_product(n, c, n, y, x)
            else
                x = y
            end if
            eigenvalue = enorm(n, x)
            if (eigenvalue > 0) x = x/eigenvalue
            if (eigenvalue - before <= settled*eigenvalue) exit
        end do
    end subroutine largest_eigenvalue

    !> A vector of length 1 that is orthogonal to no eigenvector that problems are likely to have: its components are
    !> neither all alike nor alternate.
    pure subroutine start_power(n, x)
        integer(ip), intent(in) :: n !! length of the vector
        real(wp), intent(out) :: x(n) !! the vector

        integer(ip) :: j

        do j = 1, n
            x(j) = 1 + sin(real(j, wp)**2)/2
            if (mod(j, 3_ip) == 0) x(j) = -x(j)
        end do
        x = x/enorm(n, x)
    end subroutine start_power

end module minpack_identifiable
