!> What the drivers say in `info`. 0 to 8 are MINPACK's; the two beyond are this project's own, because a
!> fit that can't start, or can't go on, must not look like one that has ended. A negative value is the one
!> that the user's routine left in `iflag`.
module minpack_info
    use minpack_kinds, only: ip
    implicit none
    private

    integer(ip), parameter, public :: info_running = -huge(1_ip) !! no test has ended the fit yet
    integer(ip), parameter, public :: info_improper_input = 0_ip
    integer(ip), parameter, public :: info_ftol = 1_ip !! actual and predicted relative reductions <= ftol
    integer(ip), parameter, public :: info_xtol = 2_ip !! step bound <= xtol ‖D x‖
    integer(ip), parameter, public :: info_ftol_and_xtol = 3_ip
    integer(ip), parameter, public :: info_gtol = 4_ip !! f orthogonal to the columns of J up to gtol
    integer(ip), parameter, public :: info_maxfev = 5_ip !! as many evaluations as were allowed
    integer(ip), parameter, public :: info_ftol_too_small = 6_ip !! reductions at machine precision
    integer(ip), parameter, public :: info_xtol_too_small = 7_ip !! step bound at machine precision
    integer(ip), parameter, public :: info_gtol_too_small = 8_ip !! f orthogonal to J at machine precision
    integer(ip), parameter, public :: info_residuals_not_finite = 9_ip !! ‖f‖ at the start is NaN or Inf
    integer(ip), parameter, public :: info_jacobian_not_finite = 10_ip !! a column of J has norm NaN or Inf

end module minpack_info
