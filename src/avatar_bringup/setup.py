# SPDX-License-Identifier: Apache-2.0
from glob import glob

from setuptools import find_packages, setup

package_name = 'avatar_bringup'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['avatar.urdf']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        ('share/' + package_name + '/config', sorted(glob('config/*'))),
        ('share/' + package_name + '/launch', sorted(glob('launch/*.launch.py'))),
        ('share/' + package_name + '/systemd', sorted(glob('systemd/*'))),
    ],
    install_requires=['setuptools', 'PyYAML', 'supervisor'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='The avatar developers',
    maintainer_email='avatar@example.org',
    description="The table of avatar's processes, what starts it, and the avatar command.",
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'avatar = avatar_bringup.cli:main',
            'health = avatar_bringup.health.node:main',
            'odom_tf = avatar_bringup.odom_tf:main',
            'media_server = avatar_bringup.media_server:main',
        ],
    },
)
