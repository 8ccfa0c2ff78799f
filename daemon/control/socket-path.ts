/** Where the control socket is: a fixed name in the runtime directory. */
export const CONTROL_SOCKET_NAME = 'control.sock';
