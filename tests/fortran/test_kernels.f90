!> The kernels, on figures that can be checked by hand.
program test_kernels
    use checks, only: check, close_to, conclude
    use fits, only: begun, step_of
    use minpack_boxsolv, only: at_lower, at_upper, boxsolv, boxsolv_vectors, is_free, patience
    use minpack_chkder, only: chkder
    use minpack_choose, only: fold
    use minpack_column_rank, only: column_rank
    use minpack_covar, only: covar
    use minpack_enorm, only: column_norms, enorm
    use minpack_factor, only: lm_pivot
    use minpack_fit_types, only: lm_fit
    use minpack_fold_jacobian, only: block_rows, fold_jacobian
    use minpack_identifiable, only: identifiable
    use minpack_kinds, only: ip, wp
    use minpack_lmpar, only: lmpar
    use minpack_qrfac, only: qrfac
    use minpack_qrsolv, only: qrsolv
    use minpack_reflect, only: find_reflector, reflect
    use minpack_rwupdt, only: rwupdt
    use minpack_steps, only: central_steps, forward_steps, inside
    use minpack_triangle, only: add_product, gradient, solve_transposed, solve_transposed_damped, transposed_product, &
                                triangle_norms
    implicit none

    call norms_survive_the_extremes()
    call columns_are_normed_as_one_by_one()
    call vectors_are_reflected()
    call triangles_multiply_and_solve()
    call factors_multiply_back()
    call damped_system_is_solved()
    call wide_matrices_are_factored()
    call wide_damped_system_is_solved()
    call parameter_meets_the_bound()
    call bounds_hold_the_damped_system(patience)
    call bounds_hold_the_damped_system(0_ip)
    call trial_point_stays_within_bounds()
    call rows_fold_into_a_triangle()
    call blocks_fold_into_a_triangle()
    call folded_triangle_is_pivoted()
    call covariance_is_the_inverse()
    call rank_ignores_units()
    call parameters_are_told_apart()
    call dependent_columns_have_a_pseudo_inverse()
    call wrong_derivatives_are_found()
    call steps_stay_within_bounds()
    call gradient_is_from_the_factors()
    call conclude()

contains

    subroutine norms_survive_the_extremes()
        call check(enorm(2_ip, [3.0_wp, 4.0_wp]) == 5, '3-4-5')
        call check(close_to([enorm(2_ip, [3.0e300_wp, 4.0e300_wp])], [5.0e300_wp], 1.0e-15_wp), 'no overflow')
        call check(close_to([enorm(2_ip, [3.0e-300_wp, 4.0e-300_wp])], [5.0e-300_wp], 1.0e-15_wp), 'no underflow')
        call check(enorm(3_ip, [1.0_wp, 1.0e-200_wp, 0.0_wp]) == 1, 'small beside ordinary')
        call check(enorm(4_ip, spread(0.0_wp, 1, 4)) == 0, 'zeros')
        call check(enorm(0_ip, [1.0_wp]) == 0, 'no component')
    end subroutine norms_survive_the_extremes

    subroutine columns_are_normed_as_one_by_one()
        real(wp) :: a(5, 7), norms(7)
        integer(ip) :: j

        a = sample(5, 7)
        a(:, 3) = a(:, 3)*1.0e200_wp
        a(:, 6) = 0
        call column_norms(5_ip, 7_ip, a, 5_ip, norms)
        do j = 1, 7
            call check(norms(j) == enorm(5_ip, a(:, j)), 'column_norms is enorm of each column')
        end do
    end subroutine columns_are_normed_as_one_by_one

    subroutine vectors_are_reflected()
        real(wp) :: v(2), a(2, 1), diagonal

        v = [-3.0_wp, 4.0_wp]
        a(:, 1) = v
        call find_reflector(2_ip, v, diagonal)
        call check(diagonal == 5 .and. close_to(v, [1.6_wp, -0.8_wp], 1.0e-15_wp), 'a reflector of length sqrt(2 v(1))')
        call reflect(2_ip, 1_ip, v, a, 2_ip)
        call check(close_to(a(:, 1), [5.0_wp, 0.0_wp], 1.0e-15_wp), 'its vector becomes a multiple of the first unit one')
        v = 0
        call find_reflector(2_ip, v, diagonal)
        call check(diagonal == 0 .and. all(v == 0), 'nothing to reflect')
    end subroutine vectors_are_reflected

    !> What lies on the other side of the diagonal must not matter.
    subroutine triangles_multiply_and_solve()
        real(wp), parameter :: r(3, 3) = reshape([3.0_wp, 7.0_wp, 8.0_wp, 1.0_wp, 2.0_wp, 9.0_wp, 4.0_wp, 5.0_wp, 6.0_wp], &
                                                 [3, 3])
        real(wp), parameter :: factor(3) = [1.0_wp, 10.0_wp, 100.0_wp], product(3) = [3.0_wp, 21.0_wp, 654.0_wp]
        real(wp) :: y(3)

        y = 1
        call add_product(3_ip, r, 3_ip, [2_ip, 3_ip, 1_ip], factor, y)
        call check(all(y == [135.0_wp, 206.0_wp, 7.0_wp]), '1 + R Pᵀ p')
        call transposed_product(3_ip, r, 3_ip, factor, y)
        call check(all(y == product), 'Rᵀ v')
        call triangle_norms(3_ip, r, 3_ip, y)
        call check(close_to(y, [3.0_wp, sqrt(5.0_wp), sqrt(77.0_wp)], 1.0e-15_wp), 'lengths of R''s columns')
        y = product
        call solve_transposed(3_ip, r, 3_ip, y)
        call check(all(y == factor), 'Rᵀ y = Rᵀ v')
        y = product
        call solve_transposed_damped(3_ip, transpose(r), 3_ip, [3.0_wp, 2.0_wp, 6.0_wp], y)
        call check(all(y == factor), 'the same for a triangle where qrsolv leaves it')
    end subroutine triangles_multiply_and_solve

    !> Figures without a pattern, the same ones every time.
    pure function sample(m, n) result(a)
        integer, intent(in) :: m, n
        real(wp) :: a(m, n)

        integer :: i, j

        do j = 1, n
            do i = 1, m
                a(i, j) = sin(12.9898_wp*i + 78.233_wp*j)*(1 + mod(i*j, 3))
            end do
        end do
    end function sample

    !> The triangle that qrfac leaves, and P.
    subroutine triangle(a, r, ipvt)
        real(wp), intent(in) :: a(:, :)
        real(wp), intent(out) :: r(:, :)
        integer(ip), intent(out) :: ipvt(:)

        real(wp) :: work(size(a, 1), size(a, 2)), rdiag(size(a, 2)), acnorm(size(a, 2)), wa(size(a, 2))
        integer(ip) :: j, m, n

        m = size(a, 1, kind=ip)
        n = size(a, 2, kind=ip)
        work = a
        call qrfac(m, n, work, m, 1_ip, ipvt, n, rdiag, acnorm, wa)
        r = 0
        do j = 1, n
            r(1:j - 1, j) = work(1:j - 1, j)
            r(j, j) = rdiag(j)
        end do
    end subroutine triangle

    subroutine factors_multiply_back()
        real(wp) :: a(9, 6), r(6, 6), gram(6, 6)
        integer(ip) :: ipvt(6)

        a = sample(9, 6)
        call triangle(a, r, ipvt)
        gram = matmul(transpose(a(:, ipvt)), a(:, ipvt))
        call check(close_to(pack(matmul(transpose(r), r), .true.), pack(gram, .true.), 1.0e-14_wp), 'RᵀR = (AP)ᵀAP')
        call check(all(abs([r(2, 2), r(3, 3), r(4, 4), r(5, 5), r(6, 6)]) <= abs(r(1, 1))), 'largest pivot first')
    end subroutine factors_multiply_back

    subroutine damped_system_is_solved()
        real(wp) :: a(9, 6), r(6, 6), kept(6, 6), d(6), qtb(6), x(6), sdiag(6), wa(6), gradient(6), left(6)
        integer(ip) :: i, ipvt(6)

        a = sample(9, 6)
        call triangle(a, r, ipvt)
        kept = r
        d = [1.0_wp, 0.5_wp, 0.0_wp, 2.0_wp, 3.0_wp, 0.1_wp]
        qtb = [1.0_wp, -2.0_wp, 3.0_wp, -4.0_wp, 5.0_wp, -6.0_wp]
        call qrsolv(6_ip, r, 6_ip, ipvt, d, qtb, x, sdiag, wa)
        left = matmul(transpose(kept), matmul(kept, x(ipvt))) + d(ipvt)**2*x(ipvt)
        gradient = matmul(transpose(kept), qtb)
        call check(close_to(left, gradient, 1.0e-13_wp), 'the normal equations hold')
        call check(all([(all(r(1:i, i) == kept(1:i, i)), i=1, 6)]), 'R is still there')
    end subroutine damped_system_is_solved

    !> The second difference, bordered: with the norms of its columns alike, pivots come from all over.
    pure function wide_matrix(m, n) result(a)
        integer(ip), intent(in) :: m, n
        real(wp) :: a(m, n)

        integer(ip) :: j

        a = 0
        do j = 1, n
            a(j, j) = 2
            if (j > 1) a(j - 1, j) = -1
            if (j < m) a(j + 1, j) = -1
            a(m, j) = 1.0_wp/j
        end do
    end function wide_matrix

    subroutine wide_matrices_are_factored()
        integer(ip), parameter :: m = 203, n = 165
        real(wp), allocatable :: a(:, :), original(:, :), r(:, :)
        real(wp) :: rdiag(n), acnorm(n), wa(n)
        integer(ip) :: ipvt(n), j

        original = wide_matrix(m, n)
        a = original
        allocate (r(n, n))
        call qrfac(m, n, a, m, 1_ip, ipvt, n, rdiag, acnorm, wa)
        r = 0
        do j = 1, n
            r(1:j - 1, j) = a(1:j - 1, j)
            r(j, j) = rdiag(j)
        end do
        call check(all(abs(rdiag(2:)) <= abs(rdiag(:n - 1))*(1 + 1.0e-9_wp)), 'pivots of a wide matrix')
        original = original(:, ipvt)
        call check(maxval(abs(matmul(transpose(r), r) - matmul(transpose(original), original))) < 1.0e-12_wp, &
                   'R of a wide matrix')
    end subroutine wide_matrices_are_factored

    subroutine wide_damped_system_is_solved()
        integer(ip), parameter :: n = 70
        real(wp) :: r(n, n), full(n, n), x(n), sdiag(n), wa(n), ones(n), gradient(n)
        integer(ip) :: ipvt(n), j

        full = 0
        do j = 1, n
            ipvt(j) = n + 1 - j
            full(1:j, j) = 1
            full(j, j) = 3
        end do
        r = full
        ones = 1
        call qrsolv(n, r, n, ipvt, ones, ones, x, sdiag, wa)
        gradient = matmul(transpose(full), matmul(full, x(ipvt)) - 1) + x(ipvt)
        call check(maxval(abs(gradient)) < 1.0e-12_wp, 'solution of a wide damped system')
    end subroutine wide_damped_system_is_solved

    subroutine parameter_meets_the_bound()
        real(wp) :: a(9, 6), r(6, 6), d(6), qtb(6), x(6), sdiag(6), wa1(6), wa2(6), par, delta
        integer(ip) :: ipvt(6), k

        a = sample(9, 6)
        d = [1.0_wp, 0.5_wp, 4.0_wp, 2.0_wp, 3.0_wp, 0.1_wp]
        qtb = [1.0_wp, -2.0_wp, 3.0_wp, -4.0_wp, 5.0_wp, -6.0_wp]
        do k = -3, 3
            call triangle(a, r, ipvt)
            delta = 10.0_wp**k
            par = 0
            call lmpar(6_ip, r, 6_ip, ipvt, d, qtb, delta, par, x, sdiag, wa1, wa2)
            if (par > 0) then
                call check(abs(norm2(d*x) - delta) <= 0.1_wp*delta, 'the step is as long as its bound')
            else
                call check(norm2(d*x) <= 1.1_wp*delta, 'the Gauss-Newton step fits within the bound')
            end if
        end do
    end subroutine parameter_meets_the_bound

    !> Unit columns but for one that is shared: (p1 + p3 - 4)² + (p2 + p3 + 4)² + (p3 - 1)² and almost no damping,
    !> p1 <= 1, p2 = 0: p3 is the mean of 3, -4 and 1.
    subroutine bounds_hold_the_damped_system(tries)
        integer(ip), intent(in) :: tries

        real(wp) :: r(3, 3), p(3), w(3, 4), v(3, boxsolv_vectors), norms(3)
        integer(ip) :: side(3), nfree, place(3, 2), rounds

        r = reshape([1.0_wp, 0.0_wp, 0.0_wp, 0.0_wp, 1.0_wp, 0.0_wp, 1.0_wp, 1.0_wp, 1.0_wp], [3, 3])
        norms = [1.0_wp, 1.0_wp, sqrt(3.0_wp)]
        side = [at_lower, is_free, at_upper]
        call boxsolv(3_ip, r, 3_ip, [1_ip, 2_ip, 3_ip], norms, 1.0e-9_wp*norms, [-4.0_wp, 4.0_wp, -1.0_wp], &
                     [-huge(1.0_wp), 0.0_wp, -9.0_wp], [1.0_wp, 0.0_wp, huge(1.0_wp)], tries, 30_ip, side, p, nfree, &
                     place, rounds, w, v)
        call check(close_to(p, [1.0_wp, 0.0_wp, 0.0_wp], 1.0e-14_wp), 'the solution within bounds')
        call check(all(side == [at_upper, at_lower, is_free]) .and. nfree == 1, 'which bounds hold it')
    end subroutine bounds_hold_the_damped_system

    !> f = (x1 - 3, x2 + 5) from 0, with x1 <= 1 and a step bound that lets it go to (1, -4).
    subroutine trial_point_stays_within_bounds()
        real(wp) :: r(2, 2), trial(2), step(2)
        type(lm_fit) :: fit

        r = reshape([1.0_wp, 0.0_wp, 0.0_wp, 1.0_wp], [2, 2])
        fit = begun(sqrt(34.0_wp), .true., .false.)
        fit%delta = sqrt(17.0_wp)
        call step_of(fit, r, [1_ip, 2_ip], [-3.0_wp, 5.0_wp], [1.0_wp, 1.0_wp], [0.0_wp, 0.0_wp], [-9.0_wp, -9.0_wp], &
                     [1.0_wp, 9.0_wp], trial, step)
        call check(trial(1) == 1 .and. step(1) == 1, 'the bound''s very value')
        call check(abs(norm2(step) - sqrt(17.0_wp)) <= 0.1_wp*sqrt(17.0_wp), 'as long as the step bound')
        call check(close_to([step(2)*(1 + fit%par)], [-5.0_wp], 1.0e-14_wp), 'damped')
        call check(close_to([fit%prered], [(34 - (4 + (5 + step(2))**2))/34], 1.0e-14_wp), 'the model''s reduction')
        call check(close_to([fit%dirder], [(-3 + 5*step(2))/34], 1.0e-14_wp), 'the model''s slope')
    end subroutine trial_point_stays_within_bounds

    subroutine rows_fold_into_a_triangle()
        real(wp) :: a(9, 6), r(6, 6), row(6), b(6), c(6), s(6), alpha
        integer(ip) :: i

        a = sample(9, 6)
        r = 0
        b = 0
        do i = 1, 9
            alpha = real(i, wp)
            row = a(i, :)
            call rwupdt(6_ip, r, 6_ip, row, b, alpha, c, s)
        end do
        call check(close_to(pack(matmul(transpose(r), r), .true.), pack(matmul(transpose(a), a), .true.), 1.0e-14_wp), &
                   'RᵀR = AᵀA')
        call check(close_to(matmul(transpose(r), b), matmul(transpose(a), [(real(i, wp), i=1, 9)]), 1.0e-14_wp), &
                   'Rᵀb = Aᵀ f')
    end subroutine rows_fold_into_a_triangle

    subroutine blocks_fold_into_a_triangle()
        real(wp) :: a(90, 20), block(90, 20), t(21, 20), wa(4, 20)
        integer(ip) :: j, k

        a = sample(90, 20)
        do k = 1, 20
            t = 0
            do j = 1, 90, 30
                block(:30, :) = a(j:j + 29, :)
                call fold(30_ip, k, block, 90_ip, t, 21_ip, wa)
            end do
            call fold(0_ip, k, block, 90_ip, t, 21_ip, wa)
            call check(close_to(pack(matmul(t(:k, :k), transpose(t(:k, :k))), .true.), &
                                pack(matmul(transpose(a(:, :k)), a(:, :k)), .true.), 1.0e-14_wp), 'RᵀR = AᵀA, by blocks')
        end do
        call check(block_rows(10_ip) >= block_rows(500_ip), 'blocks of few columns are no shorter')
    end subroutine blocks_fold_into_a_triangle

    subroutine folded_triangle_is_pivoted()
        real(wp) :: a(90, 7), t(7, 7), block(32, 7), scratch(28), r(6, 6), qtf(6), acnorm(6), rdiag(6), wa(12)
        integer(ip) :: i, ipvt(6)

        a = sample(90, 7)
        t = 0
        call fold_jacobian(90_ip, 6_ip, a, 0_ip, a(:, 7), t, 7_ip, block, 32_ip, scratch)
        call lm_pivot(6_ip, t, 7_ip, r, 6_ip, ipvt, qtf, acnorm, rdiag, wa)
        do i = 1, 6
            r(i + 1:, i) = 0
        end do
        call check(close_to(pack(matmul(transpose(r), r), .true.), &
                            pack(matmul(transpose(a(:, ipvt)), a(:, ipvt)), .true.), 1.0e-14_wp), 'RᵀR = PᵀJᵀJP')
        call check(close_to(matmul(transpose(r), qtf), matmul(transpose(a(:, ipvt)), a(:, 7)), 1.0e-14_wp), &
                   'RᵀQᵀf = PᵀJᵀf')
        call check(close_to(acnorm, norm2(a(:, :6), dim=1), 1.0e-14_wp), 'norms of the columns of J')
    end subroutine folded_triangle_is_pivoted

    subroutine covariance_is_the_inverse()
        real(wp) :: a(9, 6), r(6, 6), wa(6), identity(6, 6)
        integer(ip) :: i, ipvt(6)

        a = sample(9, 6)
        call triangle(a, r, ipvt)
        call covar(6_ip, r, 6_ip, ipvt, 0.0_wp, wa)
        identity = 0
        do i = 1, 6
            identity(i, i) = 1
        end do
        call check(close_to(pack(matmul(r, matmul(transpose(a), a)), .true.), pack(identity, .true.), 1.0e-12_wp), &
                   'covar gives the inverse of AᵀA')
    end subroutine covariance_is_the_inverse

    subroutine rank_ignores_units()
        real(wp) :: a(9, 6)

        a = sample(9, 6)
        a(:, 2) = a(:, 2)*1.0e-30_wp
        call check(rank_of(a) == 6, 'a small column is still a column')
        a(:, 2) = (a(:, 1) - a(:, 3))*1.0e-30_wp
        call check(rank_of(a) == 5, 'a combination of others is not')
    end subroutine rank_ignores_units

    function rank_of(a) result(rank)
        real(wp), intent(in) :: a(9, 6)
        integer(ip) :: rank

        real(wp) :: r(6, 6), scaled(6, 6), rdiag(6), acnorm(6), wa(6)
        integer(ip) :: ipvt(6)

        call triangle(a, r, ipvt)
        call column_rank(6_ip, r, 6_ip, 9*epsilon(1.0_wp), rank, scaled, ipvt, rdiag, acnorm, wa)
    end function rank_of

    !> identifiable, with scratch of its own.
    subroutine identify(a, rank, norms, inverse, undetermined, cond)
        real(wp), intent(in) :: a(:, :)
        integer(ip), intent(out) :: rank, undetermined(:)
        real(wp), intent(out) :: norms(:), inverse(:, :), cond

        real(wp) :: r(size(a, 2), size(a, 2)), scaled(size(a, 2), size(a, 2)), rdiag(size(a, 2)), wa(size(a, 2), 2)
        integer(ip) :: ipvt(size(a, 2)), order(size(a, 2)), n

        n = size(a, 2, kind=ip)
        call triangle(a, r, ipvt)
        call identifiable(n, r, n, ipvt, 10*epsilon(1.0_wp), rank, norms, inverse, undetermined, cond, scaled, order, &
                          rdiag, wa)
    end subroutine identify

    subroutine parameters_are_told_apart()
        real(wp) :: a(9, 6), norms(6), inverse(6, 6), cond, gram(6, 6), unit(6, 6)
        integer(ip) :: i, j, rank, undetermined(6)

        a = sample(9, 6)
        a(:, 2) = a(:, 2)*1.0e-200_wp
        call identify(a, rank, norms, inverse, undetermined, cond)
        call check(rank == 6 .and. all(undetermined == 0), 'all are determined')
        a(:, 2) = a(:, 2)*1.0e200_wp
        norms(2) = norms(2)*1.0e200_wp
        call check(close_to(norms, norm2(a, dim=1), 1.0e-14_wp), 'lengths of the columns')
        do j = 1, 6
            a(:, j) = a(:, j)/norm2(a(:, j))
        end do
        gram = matmul(transpose(a), a)
        unit = reshape([((merge(1.0_wp, 0.0_wp, i == j), i=1, 6), j=1, 6)], [6, 6])
        call check(close_to(pack(matmul(gram, inverse), .true.), pack(unit, .true.), 1.0e-12_wp), 'the inverse')

        call identify(2*unit, rank, norms, inverse, undetermined, cond)
        call check(abs(cond - 1) < 1.0e-12_wp, 'orthogonal columns have condition 1')
        unit(1, 2) = 1
        call identify(unit, rank, norms, inverse, undetermined, cond)
        call check(abs(cond - (1 + sqrt(2.0_wp))) < 0.01_wp, 'condition of two columns at 45 degrees')
    end subroutine parameters_are_told_apart

    !> Three columns of which two are one, and one that is zero; a fifth that is determined with its neighbour's help.
    subroutine dependent_columns_have_a_pseudo_inverse()
        real(wp) :: a(9, 5), norms(5), inverse(5, 5), cond, left(5, 5), gram(5, 5)
        integer(ip) :: j, rank, undetermined(5)

        a = sample(9, 5)
        a(:, 3) = -4*a(:, 1)
        a(:, 4) = 0
        call identify(a, rank, norms, inverse, undetermined, cond)
        call check(rank == 3 .and. cond == 0, 'rank')
        call check(all(undetermined == [1_ip, 0_ip, 1_ip, 1_ip, 0_ip]), 'who is not determined')
        do j = 1, 5
            if (j /= 4) a(:, j) = a(:, j)/norm2(a(:, j))
        end do
        gram = matmul(transpose(a), a)
        left = matmul(gram, matmul(inverse, gram))
        call check(close_to(pack(left, .true.), pack(gram, .true.), 1.0e-13_wp), 'G G+ G = G')
        left = matmul(inverse, matmul(gram, inverse))
        call check(close_to(pack(left, .true.), pack(inverse, .true.), 1.0e-13_wp), 'G+ G G+ = G+')
        left = matmul(gram, inverse)
        call check(close_to(pack(left, .true.), pack(transpose(left), .true.), 1.0e-13_wp), 'G G+ is symmetric')

        a = 0
        call identify(a, rank, norms, inverse, undetermined, cond)
        call check(rank == 0 .and. all(undetermined == 1) .and. all(inverse == 0), 'zeros determine nothing')
    end subroutine dependent_columns_have_a_pseudo_inverse

    subroutine wrong_derivatives_are_found()
        real(wp) :: x(2), xp(2), f(2), fp(2), fjac(2, 2), err(2)

        x = [1.5_wp, -0.7_wp]
        f = [x(1)**2*x(2), exp(x(2))]
        fjac = reshape([2*x(1)*x(2), 0.0_wp, x(1)**2, 2*exp(x(2))], [2, 2])
        err = 0
        call chkder(2_ip, 2_ip, x, f, fjac, 2_ip, xp, fp, 1_ip, err)
        fp = [xp(1)**2*xp(2), exp(xp(2))]
        call chkder(2_ip, 2_ip, x, f, fjac, 2_ip, xp, fp, 2_ip, err)
        call check(err(1) > 0.9_wp, 'the right row is called right')
        call check(err(2) < 0.1_wp, 'the wrong row is called wrong')
    end subroutine wrong_derivatives_are_found

    subroutine steps_stay_within_bounds()
        real(wp), parameter :: x(5) = [4.0_wp, 0.0_wp, 1.0_wp, 1.0_wp, 1.0_wp]
        real(wp), parameter :: lower(5) = [-9.0_wp, -9.0_wp, 0.0_wp, 0.875_wp, 0.9375_wp]
        real(wp), parameter :: upper(5) = [9.0_wp, 9.0_wp, 1.125_wp, 1.0625_wp, 1.0625_wp]
        real(wp) :: sizes(5), beside(5), lengths(5)

        call forward_steps(5_ip, x, spread(0.0_wp, 1, 5), spread(0.25_wp, 1, 5), lower, upper, sizes, beside, lengths)
        call check(all(sizes == [4.0_wp, 1.0_wp, 1.0_wp, 1.0_wp, 1.0_wp]), 'steps are relative to |x|, or to 1')
        call check(all(beside == [5.0_wp, 0.25_wp, 0.75_wp, 0.875_wp, 1.0625_wp]), 'forwards, back, or to a bound')
        call check(all(lengths == beside - x), 'lengths are those of the steps')
        call central_steps(5_ip, x, spread(0.0_wp, 1, 5), spread(-0.25_wp, 1, 5), lower, upper, beside, lengths)
        call check(all(beside == [5.0_wp, 0.25_wp, 0.75_wp, 0.9375_wp, 1.03125_wp]), 'one way, or where there is room')
        call check(all(lengths == [3.0_wp, -0.25_wp, 0.5_wp, 0.875_wp, 1.0625_wp]), 'the other way, or farther')
        call check(all(inside([9.0_wp, 3.0_wp, -7.0_wp], 1.0_wp, -2.0_wp, 5.0_wp) == [-2.0_wp, 3.0_wp, 5.0_wp]), 'inside')
        call check(inside(6.0_wp, 3.0_wp, -2.0_wp, 5.0_wp) == 0, 'inside is a mirror image where that is')
    end subroutine steps_stay_within_bounds

    subroutine gradient_is_from_the_factors()
        real(wp) :: g(3)
        real(wp), parameter :: r(3, 3) = reshape([2.0_wp, 9.0_wp, 9.0_wp, 1.0_wp, 3.0_wp, 9.0_wp, 4.0_wp, 5.0_wp, 6.0_wp], &
                                                 [3, 3])

        call gradient(3_ip, r, 3_ip, [2_ip, 3_ip, 1_ip], [1.0_wp, 10.0_wp, 100.0_wp], g)
        call check(all(g == [654.0_wp, 2.0_wp, 31.0_wp]), 'P Rᵀ (Qᵀf), by the upper triangle alone')
    end subroutine gradient_is_from_the_factors

end program test_kernels
