!> What becomes of each of many fits.
module minpack_fates
    use minpack_kinds, only: ip
    implicit none
    private

    integer(ip), parameter, public :: fate_none = 0_ip !! there is no fit in this place
    integer(ip), parameter, public :: wants_norm = 1_ip !! the residuals at its trial point are wanted
    integer(ip), parameter, public :: wants_factor = 2_ip !! its Jacobian is wanted
    integer(ip), parameter, public :: wants_trial = 3_ip !! its trial point is to be proposed
    integer(ip), parameter, public :: wants_look = 4_ip !! a Jacobian is wanted by which it is certain whether it has come to an end
    integer(ip), parameter, public :: is_done = 5_ip !! it has ended
    integer(ip), parameter, public :: goes_alone = 6_ip !! it is to be fitted by itself

end module minpack_fates
