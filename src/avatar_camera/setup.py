# SPDX-License-Identifier: Apache-2.0
"""The avatar_camera package: stream node, camera node and simulated camera."""

from setuptools import find_packages, setup

NAME = 'avatar_camera'

setup(
    name=NAME,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + NAME]),
        ('share/' + NAME, ['package.xml']),
    ],
    install_requires=['setuptools', 'numpy'],
    extras_require={'test': ['pytest']},
    zip_safe=True,
    maintainer='The avatar developers',
    maintainer_email='avatar@example.org',
    description='The picture of the avatar robot: encoder, snapshots, recordings, simulation.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'camera = avatar_camera.driver.node:main',
            'sim_camera = avatar_camera.sim.node:main',
            'stream = avatar_camera.stream.node:main',
        ],
    },
)
