"""As a service manager starts it: the socket handed over, readiness told."""
import os
import shutil
import socket
import subprocess
import unittest

from wasmd import BUILD, PATIENCE, Daemon, guest


class Activation(unittest.TestCase):
    def test_socket_handed_over_and_readiness_told(self):
        if shutil.which('systemd-socket-activate') is None:
            print('\nSKIP socket-activation: systemd-socket-activate is missing')
            return
        d = Daemon()
        told = d.dir / 'notify.sock'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(told))
            told.chmod(0o777)
            notify.settimeout(PATIENCE)
            plain = d.command()
            plain[plain.index('--socket'):plain.index('--socket') + 2] = []
            d.command = lambda: ['systemd-socket-activate', '-l', str(d.socket),
                                 '-E', f'NOTIFY_SOCKET={told}', *plain]
            d.env = dict(os.environ, NOTIFY_SOCKET=str(told))
            try:
                d.start()
                self.assertIn(b'READY=1', notify.recv(4096))
                d.ctl('module', 'load', guest('hello'), '--name', 'hello', check=0)
                self.assertEqual(d.ctl('run', '--rm', 'hello', check=0).out.strip(), 'hello')
            finally:
                self.assertEqual(d.stop(), 0)
                self.assertTrue(d.socket.exists(), 'a socket that is not ours is not removed')
                shutil.rmtree(d.dir)

    def test_the_way_to_the_state_is_made(self):
        d = Daemon()
        d.state = d.dir / 'not' / 'there' / 'yet'
        with d:
            self.assertTrue((d.state / 'wasmd.lock').exists())

    def test_readable_version_and_help(self):
        for option in ('--version', '--help'):
            r = subprocess.run([BUILD / 'daemon' / 'wasmd', option], capture_output=True, text=True)
            self.assertEqual((r.returncode, r.stderr), (0, ''))
            self.assertIn('wasmd', r.stdout)

    def test_bad_options_are_named(self):
        for args, word in ((['--sokcet', 'x'], '--sokcet'), (['--state'], '--state'),
                           (['--config', '/nowhere.json'], '/nowhere.json'),
                           (['--allow-degraded', 'magic'], 'magic')):
            r = subprocess.run([BUILD / 'daemon' / 'wasmd', *args], capture_output=True, text=True,
                               timeout=PATIENCE)
            self.assertNotEqual(r.returncode, 0, args)
            self.assertIn(word, r.stderr)


if __name__ == '__main__':
    unittest.main(verbosity=2)
