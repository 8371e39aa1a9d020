# SPDX-License-Identifier: Apache-2.0
"""The avatar_motor package: motor node and fake board."""

from setuptools import find_packages, setup

NAME = 'avatar_motor'

setup(
    name=NAME,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + NAME]),
        ('share/' + NAME, ['package.xml']),
    ],
    install_requires=['setuptools', 'pyserial'],
    extras_require={'test': ['pytest', 'hypothesis']},
    zip_safe=True,
    maintainer='The avatar developers',
    maintainer_email='avatar@example.org',
    description='The tracks and lamps of the avatar robot, and a faithful fake board.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'motor = avatar_motor.node:main',
            'fake_board = avatar_motor.fake_board.__main__:main',
        ],
    },
)
